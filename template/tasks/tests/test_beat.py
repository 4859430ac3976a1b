"""Beat: one at a time, on a schedule that belongs to the admin."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from accounts.models import Email, User

from .conftest import CeleryCommand, wait_until


@pytest.fixture
def every_second(transactional_db: None) -> None:
    """The schedule of the sweep, in a hurry."""
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.filter(name="Send due e-mails").update(crontab=None, interval=second)


def test_what_was_missed_is_sent(celery: CeleryCommand, every_second):
    user = User.objects.create_user("ada@example.com", name="Ada")
    Email.objects.create(user=user, kind=Email.WELCOME)
    celery.worker()
    beat = celery("beat", "-l", "info")

    wait_until(lambda: Email.objects.get().sent_at, "the e-mail")
    assert len(celery.mails()) == 1
    assert beat.stop() == 0


def test_a_second_beat_waits_until_the_first_ends(celery: CeleryCommand, every_second):
    first = celery("beat", "-l", "info")
    first.wait_for("Sending due task")
    second = celery("beat", "-l", "info")
    second.wait_for("Another beat runs on this database. Waiting until it ends.")
    third = celery("beat")
    third.wait_for("Waiting until it ends.")
    assert third.stop() == 0

    first.end()
    second.wait_for("Sending due task")


def test_a_beat_shows_that_it_works(celery: CeleryCommand, tmp_path: Path):
    heartbeat = tmp_path / "run" / "celery-beat.0"
    beat = celery("beat")
    wait_until(heartbeat.exists, "a heartbeat")

    assert beat.stop() == 0
    assert not heartbeat.exists()


@pytest.mark.django_db(transaction=True)
def test_an_edit_of_the_schedule_is_kept():
    hourly = CrontabSchedule.objects.create(minute="0")
    PeriodicTask.objects.filter(name="Send due e-mails").update(crontab=hourly, enabled=False)

    call_command("migrate", verbosity=0)
    entry = PeriodicTask.objects.get(name="Send due e-mails")
    assert entry.crontab == hourly
    assert not entry.enabled


@pytest.mark.django_db(transaction=True)
def test_the_tables_of_the_schedule_can_be_removed():
    call_command("migrate", "django_celery_beat", "zero", verbosity=0)
    try:
        tables = connection.introspection.table_names()
        assert PeriodicTask._meta.db_table not in tables
    finally:
        call_command("migrate", verbosity=0)
    assert PeriodicTask.objects.filter(name="Send due e-mails").exists()
