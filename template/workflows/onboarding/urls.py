from django.urls import path

from . import views

app_name = "onboarding"
urlpatterns = [
    path("", views.mine, name="mine"),
    path("<int:user_id>/", views.detail, name="detail"),
    path("<int:user_id>/skip-wait/", views.skip_wait, name="skip_wait"),
]
