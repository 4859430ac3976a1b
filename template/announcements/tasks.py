"""How an announcement reaches very many users: in steps that are small, and safe to repeat.

`promise` writes the next thousand rows into the outbox, moves the cursor in the same transaction,
hands the rows out as batches, and queues itself behind them: so there are never many messages, and
any number of workers can take part. A step that is lost is repeated by `continue_announcements`.

All of it is on the queue `bulk`, so that single e-mails overtake it. Sending is waiting: the worker
of that queue runs many tasks at a time, in threads.
"""

import logging
import time
from datetime import timedelta

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from outbox import promises
from outbox.delivery import State, due, send
from tasks.emails import SENDING

from .models import KIND, Announcement

logger = logging.getLogger(__name__)

# Users in one transaction.
CHUNK = 1000
# E-mails in one task: a second or two, for other tasks wait behind it.
BATCH = 20
# Seconds after which a task begins no further e-mail, because the mail server is slow.
BATCH_TIME = 60
# After this time without progress a step was lost, or left its rest. One that still runs, with a
# slow mail server, may be repeated: the outbox keeps each e-mail single.
STALLED = timedelta(minutes=3)


def start(announcement_id: int) -> None:
    """Begin to send. Without Redis, `continue_announcements` begins later."""
    try:
        promise.delay(announcement_id)
    except OperationalError as error:
        logger.warning("Announcement %d begins later: %s", announcement_id, error)


@shared_task(queue="bulk")
def promise(announcement_id: int) -> int:
    """Promise the announcement to the next users; return how many. Repeats itself to the end.

    Stops while too many e-mails wait, for example because the mail server is down;
    `continue_announcements` goes on then.
    """
    with transaction.atomic():
        # The lock keeps a repeated step from writing the same rows.
        announcement = Announcement.objects.select_for_update().get(pk=announcement_id)
        if announcement.stopped_at:
            return 0
        counts = promises.progress(KIND, announcement.reference)
        if counts.pop("promised") - sum(counts.values()) > 2 * CHUNK:
            return 0
        user_ids = list(announcement.next_users().values_list("pk", flat=True)[:CHUNK])
        promises.promise(user_ids, KIND, reference=announcement.reference)
        announcement.cursor = user_ids[-1] if user_ids else announcement.last_user_id
        announcement.moved_at = timezone.now()
        announcement.save(update_fields=["cursor", "moved_at"])
    for index in range(0, len(user_ids), BATCH):
        batch = user_ids[index : index + BATCH]
        send_batch.delay(announcement.reference, batch[0], batch[-1])
    if user_ids:
        promise.delay(announcement_id)
    return len(user_ids)


@shared_task(
    queue="bulk", soft_time_limit=BATCH_TIME + SENDING, time_limit=BATCH_TIME + SENDING + 30
)
def send_batch(reference: str, first: int, last: int) -> int:
    """Send an announcement's e-mails to the users from ``first`` to ``last``; return how many.

    With a slow mail server it leaves the rest to `continue_announcements`.
    """
    if Announcement.objects.filter(pk=reference).exclude(stopped_at=None).exists():
        # One that failed when it was stopped, and may not have left. Nobody waits for it.
        promises.withdraw_all(KIND, reference)
    emails = due().filter(kind=KIND, reference=reference, user_id__gte=first, user_id__lte=last)
    end, sent = time.monotonic() + BATCH_TIME, 0
    for email in list(emails):
        if time.monotonic() > end:
            break
        sent += send(email).state is State.SENT
    return sent


@shared_task(queue="bulk")
def continue_announcements() -> None:
    """Repeat the steps that were lost, and send again what the mail server refused before."""
    since = timezone.now() - STALLED
    for announcement in Announcement.objects.unfinished().filter(moved_at__lt=since):
        promise.delay(announcement.pk)
    overdue = due().filter(kind=KIND, not_before__lt=since)
    # Each e-mail is a range of its own; what is not begun in a minute is handed out again then.
    for reference, user_id in overdue.values_list("reference", "user_id")[:CHUNK]:
        send_batch.apply_async((reference, user_id, user_id), expires=60)
