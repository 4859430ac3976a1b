"""The steps of the sweep."""

from datetime import timedelta

from django.utils import timezone
from temporalio import activity

from accounts import ledger
from workflows.approvals.start import start_missing as start_missing_approvals
from workflows.emails import EmailInput
from workflows.onboarding.start import start_missing as start_missing_onboardings
from workflows.orders.start import start_missing as start_missing_orders

OVERDUE_AFTER = timedelta(minutes=1)
"""How long something is left to the one who is about to do it."""


@activity.defn(no_thread_cancel_exception=True)
def start_missing_workflows() -> None:
    """Start the workflows that the database promises and Temporal does not have yet."""
    since = timezone.now() - OVERDUE_AFTER
    start_missing_onboardings(since)
    start_missing_orders(since)
    start_missing_approvals(since)


@activity.defn(no_thread_cancel_exception=True)
def find_overdue_emails() -> list[EmailInput]:
    """Return e-mails that are due for a while, the longest first."""
    overdue = ledger.due().filter(not_before__lte=timezone.now() - OVERDUE_AFTER)
    return [EmailInput(*promise) for promise in overdue.values_list("user_id", "kind")[:500]]


@activity.defn(no_thread_cancel_exception=True)
def deliver_emails(emails: list[EmailInput]) -> int:
    """Send those e-mails that are still due, and return how many were sent."""
    sent = 0
    for email in emails:
        if activity.is_worker_shutdown():
            break  # the rows stay due
        activity.heartbeat()
        delivery = ledger.deliver(email.user_id, email.kind)
        sent += delivery.state is ledger.State.SENT
    return sent
