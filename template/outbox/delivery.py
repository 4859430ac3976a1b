"""Keeps the promises that `Email` rows are: none is lost, and none is sent twice.

However many workers try, and however often a task is retried, one wins the row by a single
UPDATE, sends outside any transaction, and settles the row only while it still holds the claim. A
claim is a lease: when its holder dies, the row is due again once the lease is over.

One gap is inherent to SMTP: a process killed after the mail server accepted the message, and
before the row is marked, leaves a row that is sent again. The Message-ID is the same then, so
that receivers can tell.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from . import emails
from .models import Email

LEASE = timedelta(minutes=2)
"""How long a claim lasts. It exceeds a whole SMTP exchange, whose ten or so steps may take
EMAIL_TIMEOUT seconds each."""
MAX_ATTEMPTS = 48
"""With the back-off below, a mail server may be down for some two days."""


class State(Enum):
    SENT = "sent"
    """It was sent just now."""
    ALREADY_SENT = "already sent"
    WAITING = "waiting"
    """It is not due, somebody else is sending it, or an attempt failed: try again later."""
    FAILED = "failed"
    """It was given up: the mail server refused it for good, or there is no such promise."""


@dataclass(frozen=True)
class Delivery:
    """What became of an attempt to deliver."""

    state: State
    retry_in: float = 0
    """Seconds after which a waiting e-mail may be tried again."""


def deliver(user_id: int, kind: str) -> Delivery:
    """Send the e-mail of ``kind`` to the user, if it is due and nobody else is sending it.

    A mail server that is down or refuses is not an error here: the row keeps it, and is due again
    after a back-off. Other errors, for example in a template, are raised after the same note.
    Raises `RuntimeError` inside a transaction: there the claim would not be visible to others.
    """
    token = uuid.uuid4()
    with transaction.atomic(durable=True):
        due().filter(user_id=user_id, kind=kind).update(
            not_before=timezone.now() + LEASE, claim=token, attempts=F("attempts") + 1
        )
    email = Email.objects.select_related("user").filter(claim=token).first()
    if email is None:
        return _standing(user_id, kind)
    try:
        emails.compose(email).send()
    except (OSError, SMTPException) as error:
        return _put_off(email, token, error)
    except BaseException as error:
        # Also a time limit of the worker. Whoever called has to know.
        _put_off(email, token, error)
        raise
    _claimed(email, token).update(sent_at=timezone.now(), claim=None, error="")
    return Delivery(State.SENT)


def due() -> QuerySet[Email]:
    """The e-mails that can be sent now, in the order in which they became due."""
    return Email.objects.filter(
        sent_at=None, failed_at=None, attempts__lt=MAX_ATTEMPTS, not_before__lte=timezone.now()
    ).order_by("not_before", "pk")


def deliver_due(limit: int = 1000) -> int:
    """Send up to ``limit`` due e-mails, one after the other, and return how many were sent."""
    promises = list(due().values_list("user_id", "kind")[:limit])
    return sum(deliver(*promise).state is State.SENT for promise in promises)


def bring_forward(user_id: int, kind: str) -> None:
    """Make an e-mail due now that nobody has tried to send yet, such as a follow-up."""
    Email.objects.filter(
        user_id=user_id, kind=kind, attempts=0, sent_at=None, failed_at=None
    ).update(not_before=timezone.now())


def _standing(user_id: int, kind: str) -> Delivery:
    email = Email.objects.filter(user_id=user_id, kind=kind).first()
    if email and email.sent_at:
        return Delivery(State.ALREADY_SENT)
    if not email or email.failed_at or email.attempts >= MAX_ATTEMPTS:
        return Delivery(State.FAILED)
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
    recipient (RFC 5321, 4.2.1). One about the sender or the login is ours to mend."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500
