"""Keeps the promises that `Email` rows are: none is lost, and none is sent twice.

However many workers try, and however often a task is retried, one wins the row by a single
UPDATE, sends outside any transaction, and settles the row only while it still holds the claim. A
claim is a lease: when its holder dies, the row is due again once the lease is over.

One thing nobody can know: whether a mail server has taken a message if it got the whole of it and
never answered, or if the answer met a process that was killed. Just before the message's end
leaves, the row counts that (``unanswered``), and its claim becomes longer than the server may take.
Such an e-mail is sent once more, late and with the same Message-ID; if that is not answered either,
it is parked: the admin shows it, and somebody decides.
"""

import logging
import random
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from smtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from django.contrib.auth import get_user_model
from django.core.mail import get_connection
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from . import kinds, smtp
from .models import Email

# How long a claim lasts until the message's end leaves. Who is slower loses it, and sends nothing.
LEASE = timedelta(seconds=60)
# How long it lasts from then on: longer than the answer may take (see `outbox.smtp`).
ANSWER_LEASE = timedelta(seconds=smtp.ANSWER_TIMEOUT + 60)
# How often an e-mail may leave without an answer.
MAX_UNANSWERED = 2
# Seconds until one that was not answered is sent once more.
UNANSWERED_WAIT = 3600
# Seconds between attempts to write down what the mail server said.
MARK_AGAIN_AFTER = (0.5, 1, 2, 4, 8)
# With the back-off below, a mail server may be down for some two days.
MAX_ATTEMPTS = 48
# Seconds after which somebody may look again at an e-mail that no installed app can write.
UNDECLARED = 3600
# Seconds after which to look again at one that somebody else is sending, most often in a moment.
BEING_SENT = 5

logger = logging.getLogger(__name__)


class State(Enum):
    """What became of an e-mail."""

    # Just now.
    SENT = "sent"
    ALREADY_SENT = "already sent"
    # It is not due, somebody else is sending it, or an attempt failed: try again later.
    WAITING = "waiting"
    # The user has not confirmed the address: `due` has it once that is done.
    HELD = "held"
    # It was given up: the mail server refused it for good, the user is deactivated, or there is no
    # such promise.
    FAILED = "failed"
    # It left, and nobody knows whether it arrived. It is not sent again.
    UNKNOWN = "unknown"


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
    attempt = _Attempt(email, token)
    if not email.user.is_active:
        return attempt.give_up("The user is deactivated.")
    try:
        message = kinds.compose(email)
        message.connection = get_connection()
        if isinstance(message.connection, smtp.EmailBackend):
            message.connection.hand_over = attempt.hand_over
        message.send()
    except _ClaimLost:
        return _standing(user_id, kind, reference)
    except (OSError, SMTPException) as error:
        return attempt.put_off(error)
    except BaseException as error:
        # Also a time limit of the worker. Whoever called has to know.
        attempt.put_off(error)
        raise
    return attempt.sent()


def due() -> QuerySet[Email]:
    """The e-mails that can be sent now, in the order in which they became due.

    One of a kind that no installed app declares is not: the part that writes it may come back. Nor
    is one to an address that its user has not confirmed, but for `kinds.before_confirmation`.
    """
    return Email.objects.filter(
        allowed(),
        sent_at=None,
        failed_at=None,
        attempts__lt=MAX_ATTEMPTS,
        unanswered__lt=MAX_UNANSWERED,
        not_before__lte=timezone.now(),
    ).order_by("not_before", "pk")


def allowed() -> Q:
    """Whether an e-mail may be sent at all, apart from when: see `due`."""
    user = get_user_model().objects.filter(pk=OuterRef("user_id"))
    # Not a join: the UPDATE of a claim must look at the row itself once more (PostgreSQL).
    confirmed = Q(Exists(user.exclude(email_confirmed_at=None)))
    return Q(kind__in=kinds.all_kinds()) & (Q(kind__in=kinds.before_confirmation()) | confirmed)


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
    ).update(not_before=timezone.now(), due_at=timezone.now())


def _standing(user_id: int, kind: str, reference: str) -> Delivery:
    emails = Email.objects.filter(user_id=user_id, kind=kind, reference=reference)
    email = emails.select_related("user").first()
    if email and email.sent_at:
        return Delivery(State.ALREADY_SENT)
    if not email or email.failed_at or email.attempts >= MAX_ATTEMPTS:
        return Delivery(State.FAILED)
    if kind not in kinds.all_kinds():
        return Delivery(State.WAITING, retry_in=UNDECLARED)
    if not email.user.email_confirmed_at and kind not in kinds.before_confirmation():
        return Delivery(State.HELD)
    wait = (email.not_before - timezone.now()).total_seconds()
    if email.unanswered >= MAX_UNANSWERED and (wait <= 0 or email.claim is None):
        return Delivery(State.UNKNOWN)
    if email.claim:
        wait = min(wait, BEING_SENT)
    return Delivery(State.WAITING, retry_in=max(wait, 0))


class _ClaimLost(Exception):
    """Somebody else is sending the e-mail, because this one took too long."""


class _Attempt:
    """One attempt to send, by the one who holds the claim."""

    def __init__(self, email: Email, token: uuid.UUID) -> None:
        self.email = email
        self.row = Email.objects.filter(pk=email.pk, claim=token)
        self.handed_over = False

    def hand_over(self) -> None:
        """Note that the message's end leaves now. Raises `_ClaimLost` without the claim."""
        until = timezone.now() + ANSWER_LEASE
        if not self.row.update(unanswered=F("unanswered") + 1, not_before=until):
            raise _ClaimLost
        self.handed_over = True

    def sent(self) -> Delivery:
        self._mark(sent_at=timezone.now(), unanswered=0, error="")
        return Delivery(State.SENT)

    def give_up(self, why: str) -> Delivery:
        self._mark(failed_at=timezone.now(), error=why)
        return Delivery(State.FAILED)

    def put_off(self, error: BaseException) -> Delivery:
        now, note = timezone.now(), f"{type(error).__name__}: {error}"
        unanswered, attempts = self.email.unanswered, self.email.attempts
        if self.handed_over and not isinstance(error, SMTPResponseException):
            note = f"The mail server has the whole e-mail and did not answer. {note}"
            self._mark(not_before=now + timedelta(seconds=UNANSWERED_WAIT), error=note)
            if unanswered + 1 >= MAX_UNANSWERED:
                return Delivery(State.UNKNOWN)
            return Delivery(State.WAITING, retry_in=UNANSWERED_WAIT)
        if _is_final(error) or attempts >= MAX_ATTEMPTS:
            self._mark(failed_at=now, unanswered=unanswered, error=note)
            return Delivery(State.FAILED)
        # 15 seconds, doubled each time, an hour at most; jitter spreads what failed together.
        wait = min(15 * 2 ** (attempts - 1), 3600) * random.uniform(0.75, 1.25)  # noqa: S311
        self._mark(not_before=now + timedelta(seconds=wait), unanswered=unanswered, error=note)
        return Delivery(State.WAITING, retry_in=wait)

    def _mark(self, **fields: object) -> None:
        """Settle the row. A database that restarts just now must not make the e-mail unknown."""
        for wait in MARK_AGAIN_AFTER:
            try:
                self.row.update(claim=None, **fields)
                return
            except (InterfaceError, OperationalError) as error:
                logger.warning("E-mail %s is marked again in %s s: %s", self.email.pk, wait, error)
                connection.close()
                time.sleep(wait)
        self.row.update(claim=None, **fields)


def _is_final(error: BaseException) -> bool:
    """Whether the mail server will never take this message: a 5xx answer about it or its
    recipient (RFC 5321, 4.2.1). One about the sender or the login is ours to correct."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500
