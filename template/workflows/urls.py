from django.urls import path

from . import views

app_name = "workflows"
urlpatterns = [
    path("onboarding/", views.onboarding, name="my_onboarding"),
    path("onboarding/<int:user_id>/", views.onboarding, name="onboarding"),
    path("onboarding/<int:user_id>/skip-wait/", views.skip_wait, name="skip_wait"),
]
