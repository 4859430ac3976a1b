from django.urls import path

from . import views

app_name = "workflows"
urlpatterns = [
    path("onboarding/", views.onboarding, name="onboarding"),
    path("onboarding/skip-wait/", views.skip_wait, name="skip_wait"),
]
