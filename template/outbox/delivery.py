"""Keeps the promises that `Email` rows are: none is lost, and none is sent twice.

However many workers try, one wins the row by a single UPDATE, sends outside any transaction, and
settles the row only while it still holds the claim. A claim is a lease: when its holder dies, the
row is due again once the lease is over.

Nobody can know whether a mail server has taken a message if its answer never comes, or meets a
process that was killed. Just before the message's end leaves, the row counts that (``unanswered``),
and its claim becomes longer than the answer may take. Such an e-mail is sent once more, late and
with the same Message-ID. If that is not answered either, it counts as failed: somebody decides.
"""

import logging
import random
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.core.mail import get_connection
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from . import kinds, smtp, traces
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
    HELD = "held until the address is confirmed"
    UNDECLARED = "not declared by any installed app"
    # The mail server refused it for good, the user is deactivated, or there is no such promise.
    FAILED = "failed"
    # It left, and nobody knows whether it arrived. It is not sent again.
    UNKNOWN = "unknown: the mail server did not answer"


@dataclass(frozen=True)
class Delivery:
    """What became of an attempt to deliver, and the seconds to wait before the next."""

    state: State
    retry_in: float = 0


def deliver(user_id: int, kind: str, reference: str = "") -> Delivery:
    """Send this e-mail to the user, as `send` does, if it is due."""
    key = {"user_id": user_id, "kind": kind, "reference": reference}
    email = due().filter(**key).first()
    return send(email) if email else standing(Email.objects.filter(**key).first())


def send(email: Email) -> Delivery:
    """Send an e-mail that `due` has returned, unless it or its user has changed since then.

    A mail server that is down or refuses is not an error here: the row keeps it, and is due again
    after a back-off. Other errors, for example in a template, are raised after the same note.
    Raises `RuntimeError` inside a transaction: there the claim would not be visible to others.
    """
    seen = {
        name: getattr(email.user, name) for name in ("email", "is_active", "email_confirmed_at")
    }
    user = type(email.user).objects.filter(pk=OuterRef("user_id"), **seen)
    # Whatever happens to a row changes one of these.
    row = Email.objects.filter(pk=email.pk, claim=email.claim, not_before=email.not_before)
    email.claim, email.attempts = uuid.uuid4(), email.attempts + 1
    claim = {"claim": email.claim, "not_before": timezone.now() + LEASE}
    with transaction.atomic(durable=True):
        claimed = row.filter(Exists(user)).update(attempts=email.attempts, **claim)
    if not claimed:
        return standing(Email.objects.filter(pk=email.pk).first())
    attempt = _Attempt(email)
    if not email.user.is_active:
        return attempt.give_up("The user is deactivated.", email.unanswered)
    if email.unanswered >= MAX_UNANSWERED or email.attempts > MAX_ATTEMPTS:
        return attempt.give_up(email.error or "Whoever sent it was killed.", email.unanswered)
    try:
        with traces.sending(email):
            message = kinds.compose(email)
            message.connection = get_connection()
            if isinstance(message.connection, smtp.EmailBackend):
                message.connection.hand_over = attempt.hand_over
            message.send()
    except _ClaimLost:
        return standing(Email.objects.filter(pk=email.pk).first())
    except (OSError, SMTPException) as error:
        return attempt.put_off(error)
    except BaseException as error:
        # Also a time limit of the worker. Whoever called has to know.
        attempt.put_off(error)
        raise
    attempt.mark(sent_at=timezone.now(), unanswered=0, error="")
    return Delivery(State.SENT)


def due() -> QuerySet[Email]:
    """The e-mails that can be sent now, in the order in which they became due.

    One of a kind that no installed app declares is not: the part that writes it may come back. Nor
    is one to an address that its user has not confirmed, but for `kinds.before_confirmation`.
    """
    emails = Email.objects.select_related("user").order_by("not_before", "pk")
    return emails.filter(allowed(), sent_at=None, failed_at=None, not_before__lte=timezone.now())


def allowed() -> Q:
    """Whether an e-mail may be sent at all, apart from when: see `due`."""
    confirmed = Q(user__email_confirmed_at__isnull=False)
    return Q(kind__in=kinds.all_kinds()) & (Q(kind__in=kinds.before_confirmation()) | confirmed)


def deliver_due() -> int:
    """Send up to a thousand due e-mails, one after the other, and return how many were sent.

    One that cannot be composed does not keep the others from being sent: it is put off.
    """
    sent = 0
    for promise in list(due().values_list("user_id", "kind", "reference")[:1000]):
        try:
            sent += deliver(*promise).state is State.SENT
        except Exception:
            logger.exception("The %s e-mail %s to user %s is put off", *promise[1:], promise[0])
    return sent


def bring_forward(user_id: int, kind: str, reference: str = "") -> None:
    """Make an e-mail due now that nobody has tried to send yet, such as a follow-up."""
    row = Email.objects.filter(user_id=user_id, kind=kind, reference=reference, attempts=0)
    row.update(not_before=timezone.now(), due_at=timezone.now())


def standing(email: Email | None) -> Delivery:
    """What has become of an e-mail, for somebody who cannot send it just now."""
    if email and email.sent_at:
        return Delivery(State.ALREADY_SENT)
    if not email or email.failed_at:
        unknown = email and email.unanswered >= MAX_UNANSWERED
        return Delivery(State.UNKNOWN if unknown else State.FAILED)
    if email.kind not in kinds.all_kinds():
        return Delivery(State.UNDECLARED)
    if not email.user.email_confirmed_at and email.kind not in kinds.before_confirmation():
        return Delivery(State.HELD)
    wait = (email.not_before - timezone.now()).total_seconds()
    return Delivery(State.WAITING, max(0, min(wait, BEING_SENT) if email.claim else wait))


class _ClaimLost(Exception):
    """Somebody else is sending the e-mail, because this one took too long."""


class _Attempt:
    """One attempt to send, by the one who holds the claim."""

    def __init__(self, email: Email) -> None:
        self.email = email
        self.row = Email.objects.filter(pk=email.pk, claim=email.claim)
        self.handed_over = False

    def hand_over(self) -> None:
        """Note that the message's end leaves now. Raises `_ClaimLost` without the claim."""
        until = timezone.now() + ANSWER_LEASE
        if not self.row.update(unanswered=F("unanswered") + 1, not_before=until):
            raise _ClaimLost
        self.handed_over = True

    def give_up(self, why: str, unanswered: int) -> Delivery:
        self.mark(failed_at=timezone.now(), unanswered=unanswered, error=why)
        return Delivery(State.UNKNOWN if unanswered >= MAX_UNANSWERED else State.FAILED)

    def put_off(self, error: BaseException) -> Delivery:
        note, unanswered = f"{type(error).__name__}: {error}", self.email.unanswered
        if self.handed_over and not isinstance(error, SMTPResponseException):
            note = f"The mail server has the whole e-mail and did not answer. {note}"
            unanswered += 1
            is_final, wait = unanswered >= MAX_UNANSWERED, float(UNANSWERED_WAIT)
        else:
            is_final = _is_final(error) or self.email.attempts >= MAX_ATTEMPTS
            # 15 seconds, doubled each time, an hour at most; jitter spreads what failed together.
            backoff = min(15 * 2 ** (self.email.attempts - 1), 3600)
            wait = backoff * random.uniform(0.75, 1.25)  # noqa: S311
        if is_final:
            return self.give_up(note, unanswered)
        again_at = timezone.now() + timedelta(seconds=wait)
        self.mark(not_before=again_at, unanswered=unanswered, error=note)
        return Delivery(State.WAITING, retry_in=wait)

    def mark(self, **fields: object) -> None:
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
