"""Keeps the promises that `Email` rows are: none is lost, and none is sent twice.

However many workers try, and however often a task is retried, one wins the row by a single
UPDATE, sends outside any transaction, and settles the row only while it still holds the claim. A
claim is a lease: when its holder dies, the row is due again once the lease is over.

One gap is inherent to SMTP: a process killed after the mail server accepted the message, and
before the row is marked, leaves a row that is sent again. The Message-ID is the same then, so
that receivers can tell.
"""

import logging
import random
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from . import kinds
from .models import Email

# How long a claim lasts. It exceeds a whole SMTP exchange, whose ten or so steps may take
# EMAIL_TIMEOUT seconds each.
LEASE = timedelta(minutes=2)
# With the back-off below, a mail server may be down for some two days.
MAX_ATTEMPTS = 48
# Seconds after which somebody may look again at an e-mail that no installed app can write.
UNDECLARED = 3600

logger = logging.getLogger(__name__)


class State(Enum):
    """What became of an e-mail."""

    # Just now.
    SENT = "sent"
    ALREADY_SENT = "already sent"
    # It is not due, somebody else is sending it, or an attempt failed: try again later.
    WAITING = "waiting"
    # It was given up: the mail server refused it for good, or there is no such promise.
    FAILED = "failed"


@dataclass(frozen=True)
class Delivery:
    """What became of an attempt to deliver, and the seconds to wait before the next."""

    state: State
    retry_in: float = 0


def deliver(user_id: int, kind: str, reference: str = "") -> Delivery:
    """Send this e-mail to the user, if it is due and nobody else is sending it.

    A mail server that is down or refuses is not an error here: the row keeps it, and is due again
    after a back-off. Other errors, for example in a template, are raised after the same note.
    Raises `RuntimeError` inside a transaction: there the claim would not be visible to others.
    """
    token = uuid.uuid4()
    with transaction.atomic(durable=True):
        due().filter(user_id=user_id, kind=kind, reference=reference).update(
            not_before=timezone.now() + LEASE, claim=token, attempts=F("attempts") + 1
        )
    email = Email.objects.select_related("user").filter(claim=token).first()
    if email is None:
        return _standing(user_id, kind, reference)
    try:
        kinds.compose(email).send()
    except (OSError, SMTPException) as error:
        return _put_off(email, token, error)
    except BaseException as error:
        # Also a time limit of the worker. Whoever called has to know.
        _put_off(email, token, error)
        raise
    _claimed(email, token).update(sent_at=timezone.now(), claim=None, error="")
    return Delivery(State.SENT)


def due() -> QuerySet[Email]:
    """The e-mails that can be sent now, in the order in which they became due.

    One of a kind that no installed app declares is not: the part that writes it may come back.
    """
    return Email.objects.filter(
        kind__in=kinds.all_kinds(),
        sent_at=None,
        failed_at=None,
        attempts__lt=MAX_ATTEMPTS,
        not_before__lte=timezone.now(),
    ).order_by("not_before", "pk")


def deliver_due(limit: int = 1000) -> int:
    """Send up to ``limit`` due e-mails, one after the other, and return how many were sent.

    One that cannot be composed does not keep the others from being sent: it is put off.
    """
    sent = 0
    for promise in list(due().values_list("user_id", "kind", "reference")[:limit]):
        try:
            sent += deliver(*promise).state is State.SENT
        except Exception:
            logger.exception("The %s e-mail %s to user %s is put off", *promise[1:], promise[0])
    return sent


def bring_forward(user_id: int, kind: str, reference: str = "") -> None:
    """Make an e-mail due now that nobody has tried to send yet, such as a follow-up."""
    Email.objects.filter(
        user_id=user_id,
        kind=kind,
        reference=reference,
        attempts=0,
        sent_at=None,
        failed_at=None,
    ).update(not_before=timezone.now())


def _standing(user_id: int, kind: str, reference: str) -> Delivery:
    email = Email.objects.filter(user_id=user_id, kind=kind, reference=reference).first()
    if email and email.sent_at:
        return Delivery(State.ALREADY_SENT)
    if not email or email.failed_at or email.attempts >= MAX_ATTEMPTS:
        return Delivery(State.FAILED)
    if kind not in kinds.all_kinds():
        return Delivery(State.WAITING, retry_in=UNDECLARED)
    wait = (email.not_before - timezone.now()).total_seconds()
    return Delivery(State.WAITING, retry_in=max(wait, 0))


def _put_off(email: Email, token: uuid.UUID, error: BaseException) -> Delivery:
    message = f"{type(error).__name__}: {error}"
    now = timezone.now()
    if _is_final(error) or email.attempts >= MAX_ATTEMPTS:
        _claimed(email, token).update(failed_at=now, claim=None, error=message)
        return Delivery(State.FAILED)
    # 15 seconds, doubled each time, an hour at most; jitter spreads those that failed together.
    wait = min(15 * 2 ** (email.attempts - 1), 3600) * random.uniform(0.75, 1.25)  # noqa: S311
    _claimed(email, token).update(
        not_before=now + timedelta(seconds=wait), claim=None, error=message
    )
    return Delivery(State.WAITING, retry_in=wait)


def _claimed(email: Email, token: uuid.UUID) -> QuerySet[Email]:
    return Email.objects.filter(pk=email.pk, claim=token)


def _is_final(error: BaseException) -> bool:
    """Whether the mail server will never take this message: a 5xx answer about it or its
    recipient (RFC 5321, 4.2.1). One about the sender or the login is ours to correct."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500
