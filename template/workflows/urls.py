from django.urls import path

from . import views
from .onboarding import views as onboarding

app_name = "workflows"
urlpatterns = [
    path("", views.index, name="index"),
    path("onboarding/", onboarding.mine, name="my_onboarding"),
    path("onboarding/<int:user_id>/", onboarding.detail, name="onboarding"),
    path("onboarding/<int:user_id>/skip-wait/", onboarding.skip_wait, name="skip_wait"),
]
