"""The steps of the sweep."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from temporalio import activity

from accounts import ledger
from accounts.models import Email
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

    Returns the other e-mails that are overdue.
    """
    overdue = ledger.due().filter(not_before__lte=timezone.now() - OVERDUE_AFTER)
    left = []
    for user_id, kind in overdue.values_list("user_id", "kind")[:500]:
        onboarding = kind in (Email.WELCOME, Email.FOLLOW_UP)
        if not (onboarding and start_onboarding(user_id)):
            left.append(Promise(user_id, kind))
    return left


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
