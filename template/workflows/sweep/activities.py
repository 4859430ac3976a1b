"""The steps of the sweep."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from temporalio import activity

from accounts import ledger
from accounts.models import Email, User
from workflows.onboarding.activities import MEMBERS
from workflows.onboarding.start import start_onboarding

OVERDUE_AFTER = timedelta(minutes=1)
"""How long an e-mail that is due is left to the workflow that is about to send it."""


@dataclass
class Promise:
    user_id: int
    kind: str


@activity.defn(no_thread_cancel_exception=True)
def start_missing_onboardings() -> list[Promise]:
    """Start the onboarding of users who signed up while Temporal was down.

    Their e-mails may have been sent meanwhile by somebody else: what tells is that they are not
    members yet. Returns the other e-mails that are overdue.
    """
    since = timezone.now() - OVERDUE_AFTER
    missed = User.objects.filter(
        emails__kind=Email.FOLLOW_UP,
        emails__sent_at=None,
        emails__failed_at=None,
        date_joined__lte=since,
    ).exclude(groups__name=MEMBERS)
    started = {user for user in missed.values_list("pk", flat=True)[:500] if start_onboarding(user)}
    overdue = ledger.due().filter(not_before__lte=since).exclude(user__in=started)
    return [Promise(*promise) for promise in overdue.values_list("user_id", "kind")[:500]]


@activity.defn(no_thread_cancel_exception=True)
def deliver_emails(promises: list[Promise]) -> int:
    """Send those e-mails that are still due, and return how many were sent."""
    sent = 0
    for promise in promises:
        if activity.is_worker_shutdown():
            break  # the rows stay due
        activity.heartbeat()
        delivery = ledger.deliver(promise.user_id, promise.kind)
        sent += delivery.state is ledger.State.SENT
    return sent
