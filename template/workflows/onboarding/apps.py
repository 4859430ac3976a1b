from django.apps import AppConfig


class OnboardingConfig(AppConfig):
    """Welcomes new users, with `UserOnboardingWorkflow`."""

    name = "workflows.onboarding"
    url_prefix = "workflows/onboarding"

    def ready(self) -> None:
        from . import start  # noqa: F401  (connects the receiver of user_signed_up)
