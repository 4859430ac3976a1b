"""Gives promises, takes them back, and says how far they are kept."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from . import kinds, traces
from .delivery import MAX_UNANSWERED, allowed
from .models import Email

# What is not sent unless somebody says so: it was refused for good, or is unknown.
FAILED = Q(sent_at=None, failed_at__isnull=False, given_up_at=None)


def promise(
    user_ids: Iterable[int], kind: str, *, reference: str = "", not_before: datetime | None = None
) -> None:
    """Promise an e-mail to each of these users, due now or at ``not_before``.

    Call it in the transaction whose outcome the e-mails tell. A promise that was given before stays
    as it is, so a step that runs twice promises once. Raises `ValueError` for a ``kind`` that no
    installed app declares: nobody could send it.
    """
    if kind not in kinds.all_kinds():
        raise ValueError(f"No installed app declares e-mails of the kind {kind!r}.")
    due = not_before or timezone.now()
    same = {"kind": kind, "reference": reference, "not_before": due, "due_at": due}
    same["trace"] = traces.current()
    emails = [Email(user_id=user_id, **same) for user_id in user_ids]
    Email.objects.bulk_create(emails, ignore_conflicts=True)


def withdraw(user_id: int, kind: str, reference: str = "") -> bool:
    """Take a promise back that nobody has tried to keep yet, and return whether there was one."""
    unsent = Email.objects.filter(kind=kind, reference=reference, attempts=0, sent_at=None)
    return bool(unsent.filter(user_id=user_id).delete()[0])


def withdraw_all(kind: str, reference: str = "") -> int:
    """Take back every promise of this kind and reference whose e-mail has not left, and return how
    many. Those that are being sent are left alone."""
    waiting = Email.objects.filter(kind=kind, reference=reference, claim=None, unanswered=0)
    return waiting.filter(sent_at=None, failed_at=None).delete()[0]


def retry(emails: QuerySet[Email]) -> int:
    """Make these e-mails due now, and return how many. Those that are sent, being sent or due
    already are left alone, so of two people who do this at once, one does it."""
    now = timezone.now()
    waits = Q(failed_at__isnull=False) | Q(not_before__gt=now)
    return emails.filter(waits, sent_at=None, claim=None).update(
        not_before=now, attempts=0, unanswered=0, failed_at=None, given_up_at=None
    )


def give_up(emails: QuerySet[Email]) -> int:
    """Decide that these e-mails, if they failed, are not sent; return how many."""
    return emails.filter(FAILED).update(given_up_at=timezone.now())


def work() -> dict[str, int]:
    """Count what failed and what waits, and how late the oldest of these is."""
    now = timezone.now()
    unsent = Email.objects.filter(allowed(), sent_at=None, failed_at=None)
    # Rows of before have no ``due_at``.
    late = unsent.annotate(due=Coalesce("due_at", "not_before")).filter(due__lte=now)
    oldest = late.aggregate(oldest=Min("due"))["oldest"] or now
    return {
        "failed": Email.objects.filter(FAILED).count(),
        "unsent": late.count(),
        "oldest, in seconds": int((now - oldest).total_seconds()),
    }


def progress(kind: str, reference: str = "") -> dict[str, int]:
    """Count the e-mails of this kind and reference: ``promised``, ``sent``, ``failed``, and
    ``unknown``, of which nobody knows whether they arrived."""
    # Counted each time: a counter would drift whenever a task runs twice.
    unknown = Q(failed_at__isnull=False, unanswered__gte=MAX_UNANSWERED)
    return Email.objects.filter(kind=kind, reference=reference).aggregate(
        promised=Count("pk"),
        sent=Count("sent_at"),
        failed=Count("failed_at", filter=~unknown),
        unknown=Count("pk", filter=unknown),
    )
