"""Starts the onboarding of a new user."""

from django.conf import settings
from django.dispatch import receiver
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from accounts.models import User
from accounts.signals import user_signed_up
from workflows import client

from .workflow import OnboardingInput, UserOnboardingWorkflow


def workflow_id(user_id: int) -> str:
    return f"onboarding-{user_id}"


def start_onboarding(user_id: int) -> bool:
    """Start `UserOnboardingWorkflow` for the user, and return whether it was started now.

    A second start changes nothing, also after the first workflow has ended. Raises within
    0.8 seconds if Temporal does not take it (see `client.call`).
    """
    try:
        client.call(
            lambda temporal: temporal.start_workflow(
                UserOnboardingWorkflow.run,
                OnboardingInput(user_id),
                id=workflow_id(user_id),
                task_queue=settings.TEMPORAL_TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"Onboarding of user {user_id}",
            )
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


@receiver(user_signed_up, dispatch_uid="workflows.onboarding")
def on_sign_up(user: User, **kwargs) -> None:
    start_onboarding(user.pk)
