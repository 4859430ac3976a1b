"""A report: a task that takes its time, and whose result somebody reads."""

from datetime import timedelta

from celery import shared_task
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import User
from outbox.models import Email


@shared_task(
    queue="slow",
    # Seconds; longer than the limits in the settings.
    soft_time_limit=540,
    time_limit=600,
    # Kept for CELERY_RESULT_EXPIRES; and "started" is told from "waiting for a worker".
    ignore_result=False,
    track_started=True,
)
def count_by_day(days: int = 30) -> list[tuple[str, int, int]]:
    """Count the sign-ups and the e-mails sent on each of the last days: (ISO date, both)."""
    since = timezone.now() - timedelta(days=days)
    sign_ups = _count_by_day(User.objects.filter(date_joined__gte=since), "date_joined")
    emails = _count_by_day(Email.objects.filter(sent_at__gte=since), "sent_at")
    return [
        (day.isoformat(), sign_ups.get(day, 0), emails.get(day, 0))
        for day in sorted(sign_ups.keys() | emails.keys(), reverse=True)
    ]


def _count_by_day(rows, field):
    by_day = rows.values_list(TruncDate(field)).annotate(Count("pk")).order_by()
    return dict(by_day)
