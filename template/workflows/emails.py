"""Sending e-mails from workflows, by way of the outbox."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from outbox.delivery import State, bring_forward, deliver
from outbox.smtp import ANSWER_TIMEOUT

# Of an activity that sends e-mails: a mail server may need ten minutes to answer one, and the
# outbox's claim is longer too. Its worker counts as dead after one.
TIMEOUTS: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=ANSWER_TIMEOUT + 120),
    "heartbeat_timeout": timedelta(minutes=1),
}
# Seconds after which `deliver_emails` begins no other e-mail.
ENOUGH = 30

logger = logging.getLogger(__name__)


@dataclass
class EmailInput:
    """A promised e-mail. A workflow's history holds no more about a user than the id."""

    user_id: int
    kind: str
    reference: str = ""


def mail_queue(task_queue: str) -> str:
    """The task queue of activities that wait for a mail server. It has threads of its own."""
    return f"{task_queue}-mail"


# no_thread_cancel_exception: a cancellation must not come between the mail server's accept and the
# mark in the outbox.
@activity.defn(no_thread_cancel_exception=True)
def send_email(input: EmailInput) -> str:
    """Send the promised e-mail now, unless it is sent already.

    Run it on `mail_queue`. Fails while the mail server is down, to be retried when the outbox says.
    """
    promise = (input.user_id, input.kind, input.reference)
    # The workflow decides when. The row's own time is for the sweep.
    bring_forward(*promise)
    delivery = deliver(*promise)
    about = f"The {input.kind} e-mail {input.reference}".rstrip() + f" to user {input.user_id}"
    if delivery.state is State.FAILED:
        why = "was given up, or never promised. The admin shows why."
        raise ApplicationError(f"{about} {why}", type="EmailFailed", non_retryable=True)
    if delivery.state is State.UNKNOWN:
        why = "left, and the mail server never said whether it took it. See the admin."
        raise ApplicationError(f"{about} {why}", type="EmailUnknown", non_retryable=True)
    if delivery.state is State.WAITING:
        raise ApplicationError(
            f"{about} could not be sent yet.",
            type="EmailWaiting",
            category=ApplicationErrorCategory.BENIGN,  # expected: no traceback in the log
            next_retry_delay=timedelta(seconds=delivery.retry_in),
        )
    return delivery.state.value


@activity.defn(no_thread_cancel_exception=True)
def deliver_emails(emails: list[EmailInput]) -> int:
    """Send those e-mails that are still due, for half a minute; return how many were sent.

    The rest stay due, for the next sweep, and so does one that cannot be composed. Run it on
    `mail_queue`, with `TIMEOUTS`: the last one may wait for the mail server as long as any.
    """
    sent, end = 0, time.monotonic() + ENOUGH
    for email in emails:
        if activity.is_worker_shutdown() or activity.is_cancelled() or time.monotonic() > end:
            break
        try:
            delivery = deliver(email.user_id, email.kind, email.reference)
        except Exception:
            logger.exception("%s is put off.", email)
            continue
        sent += delivery.state is State.SENT
    return sent
