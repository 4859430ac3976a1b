"""The e-mails that were promised: the welcome at once, the rest when it is due.

The outbox keeps each mail single, so these tasks may run twice, overtake each other and be lost.
"""

import logging

from celery import Task, shared_task
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from accounts.emails import WELCOME
from accounts.models import User
from accounts.signup import user_signed_up
from outbox import kinds
from outbox.delivery import State, deliver, due
from outbox.models import Email
from outbox.smtp import ANSWER_TIMEOUT

# Seconds that a task has which sends one e-mail: longer than the mail server has (`outbox.smtp`).
# One that is ended before the answer leaves an e-mail of which nobody knows whether it arrived.
SENDING = ANSWER_TIMEOUT + 120
# Seconds after which an e-mail that waits is left to `send_due_emails`.
LONGEST_DELAY = 600

logger = logging.getLogger(__name__)


@receiver(user_signed_up)
def hand_over(user: User, **kwargs: object) -> bool:
    """Publish the welcome e-mail's task, and return whether Redis took it."""
    try:
        send_welcome_email.delay(user.pk)
    except OperationalError as error:
        logger.warning("User %s: the welcome e-mail is late, for Redis fails: %s", user.pk, error)
        return False
    return True


@shared_task(
    bind=True,
    queue="mail",
    soft_time_limit=SENDING,
    time_limit=SENDING + 30,
    max_retries=5,
    default_retry_delay=10,
)
def send_welcome_email(self: Task, user_id: int) -> str:
    """Send the welcome e-mail, once. Tries again with a growing delay while the mail server fails.

    After five retries, and where it is to be late on purpose, `send_due_emails` goes on trying.
    """
    delivery = deliver(user_id, WELCOME)
    if delivery.state is not State.WAITING:
        return delivery.state.value
    if Email.objects.filter(user_id=user_id, kind=WELCOME, claim__isnull=False).exists():
        return "somebody else is sending it"
    if self.request.retries < self.max_retries and delivery.retry_in < LONGEST_DELAY:
        raise self.retry(countdown=delivery.retry_in)
    return delivery.state.value


@shared_task
def send_due_emails() -> int:
    """Hand out every e-mail that is due, and return how many.

    Follow-ups after a day, and whatever was missed. Beat calls it every minute.
    """
    single = due().exclude(kind__in=kinds.bulk())
    promises = list(single.values_list("user_id", "kind", "reference")[:1000])
    for promise in promises:
        # What is not begun in a minute is handed out again then, so it must not pile up.
        send_email.apply_async(promise, expires=60)
    return len(promises)


@shared_task(queue="mail", soft_time_limit=SENDING, time_limit=SENDING + 30)
def send_email(user_id: int, kind: str, reference: str = "") -> str:
    """Send one e-mail that is due. If it fails, a later `send_due_emails` tries again."""
    return deliver(user_id, kind, reference).state.value
