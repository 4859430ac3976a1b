"""Sending e-mails from workflows, by way of the ledger: `accounts.ledger`."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from accounts import ledger


@dataclass
class EmailInput:
    """A promised e-mail. A workflow's history holds no more about the user than his id."""

    user_id: int
    kind: str


# A cancellation must not come between the mail server's accept and the mark in the ledger, hence
# no_thread_cancel_exception.
@activity.defn(no_thread_cancel_exception=True)
def send_email(input: EmailInput) -> str:
    """Send the promised e-mail of this kind now, unless it is sent already.

    Run it on `queues.mail`. Fails, to be retried when the ledger says, while the mail server is
    down; fails for good when the ledger has given up.
    """
    # The workflow decides when. The row's own time is for the sweep.
    ledger.bring_forward(input.user_id, input.kind)
    delivery = ledger.deliver(input.user_id, input.kind)
    if delivery.state is ledger.State.FAILED:
        raise ApplicationError(
            f"The {input.kind} e-mail to user {input.user_id} was given up, or never promised."
            " The admin shows why.",
            type="EmailFailed",
            non_retryable=True,
        )
    if delivery.state is ledger.State.WAITING:
        raise ApplicationError(
            f"The {input.kind} e-mail to user {input.user_id} could not be sent yet.",
            type="EmailWaiting",
            category=ApplicationErrorCategory.BENIGN,  # expected: no traceback in the log
            next_retry_delay=timedelta(seconds=delivery.retry_in),
        )
    return delivery.state.value
