"""Starts the onboarding of a new user."""

import logging
from datetime import datetime

from django.dispatch import receiver

from accounts.emails import FOLLOW_UP
from accounts.models import User
from accounts.signup import user_signed_up
from workflows import client

logger = logging.getLogger(__name__)


def workflow_id(user_id: int) -> str:
    return f"onboarding-{user_id}"


def start_onboarding(user_id: int) -> bool:
    """Start `UserOnboardingWorkflow` for the user, once; return whether it was started now.

    Raises within 0.8 seconds if Temporal does not take it (see `client.call`).
    """
    from .workflow import OnboardingInput, UserOnboardingWorkflow

    return client.start_once(
        UserOnboardingWorkflow.run,
        OnboardingInput(user_id),
        id=workflow_id(user_id),
        summary=f"Onboarding of user {user_id}",
    )


def start_missing(since: datetime) -> None:
    """Start the onboarding of those who signed up before ``since`` while Temporal was down.

    Somebody else may have sent their welcome meanwhile: what tells is that they are not members.
    """
    from .activities import MEMBERS

    missing = User.objects.filter(
        emails__kind=FOLLOW_UP, emails__sent_at=None, emails__failed_at=None, date_joined__lte=since
    ).exclude(groups__name=MEMBERS)
    client.each(missing.values_list("pk", flat=True).order_by("-pk")[:500], start_onboarding)


@receiver(user_signed_up, dispatch_uid="workflows.onboarding")
def on_sign_up(user: User, **kwargs: object) -> bool:
    """Start the onboarding, which welcomes the user, and return whether Temporal took it."""
    try:
        started = start_onboarding(user.pk)
    except client.UNAVAILABLE as error:
        logger.warning("User %s: the onboarding starts later: %s", user.pk, error)
        return False
    if not started:
        # As after a backup of the database was restored. The sweep sends the e-mails.
        logger.error("User %s is new, but %s ran before", user.pk, workflow_id(user.pk))
    return started
