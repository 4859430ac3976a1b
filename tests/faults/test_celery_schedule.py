"""The periodic tasks that apps declare, and what they do."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from config.celery import app
from tasks.failures import clean_up
from tasks.schedule import declared

pytestmark = pytest.mark.django_db(transaction=True)

SWEEP = "Send due e-mails"


@pytest.fixture
def schedules(monkeypatch):
    """What an installed app declares, to change in this test."""
    config = apps.get_app_config("tasks")
    monkeypatch.setattr(config, "schedules", dict(config.schedules))
    return config.schedules


def migrate(*arguments: str) -> None:
    call_command("migrate", *arguments, verbosity=0)


def names() -> set[str]:
    return set(PeriodicTask.objects.values_list("name", flat=True))


def test_every_entry_names_a_task_that_exists():
    app.loader.import_default_modules()
    tasks = set(PeriodicTask.objects.values_list("task", flat=True))
    assert {"tasks.emails.send_due_emails", "tasks.cleanup.clean_up"} <= tasks <= set(app.tasks)


def test_an_edit_is_kept():
    hourly = CrontabSchedule.objects.create(minute="0")
    entry = PeriodicTask.objects.get(name=SWEEP)
    entry.name, entry.crontab, entry.enabled = "Send", hourly, False
    entry.description += "\nHourly, since nobody is in a hurry."
    entry.save()
    before = names()

    migrate()

    entry.refresh_from_db()
    assert (entry.name, entry.crontab, entry.enabled) == ("Send", hourly, False)
    assert names() == before


def test_what_an_app_declares_comes_and_goes_with_it(schedules):
    PeriodicTask.objects.create(
        name="The admin's own",
        task="invoices.tasks.remind",
        crontab=CrontabSchedule.objects.first(),
    )
    before = names()
    schedules["Remind"] = {"task": "invoices.tasks.remind", "cron": "30 8 1,15 * mon", "expires": 9}
    schedules["sweep"] = {"workflow": "of.another.Backend", "cron": "* * * * *"}
    migrate()
    assert names() == before | {"Remind"}
    entry = PeriodicTask.objects.get(name="Remind")
    assert str(entry.crontab) == "30 8 1,15 * mon (m/h/dM/MY/d) UTC"
    assert (entry.task, entry.expire_seconds) == ("invoices.tasks.remind", 9)

    schedules["Remind"] = {"task": "invoices.reminders.remind", "cron": "0 8 * * *"}  # it moved
    migrate()
    assert PeriodicTask.objects.get(name="Remind").task == "invoices.reminders.remind"

    del schedules["Remind"]
    migrate()
    assert names() == before


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"cron": "0 4 * *"}, r'has cron="0 4 \* \*", which .* "0 4 \* \* \*" \(.* got 4\)'),
        ({"cron": "0 25 * * *"}, ".*Invalid end range: 25 > 23"),
        ({"cron": "@daily"}, 'has cron="@daily", which is not'),
        ({}, 'has cron="", which is not'),
        ({"cron": "* * * * *", "expire_seconds": 60}, "has expire_seconds; known are"),
    ],
)
def test_a_mistake_names_the_app_and_the_entry(schedules, fields, error):
    schedules["Remind"] = {"task": "invoices.tasks.remind"} | fields
    with pytest.raises(
        ImproperlyConfigured, match=f'^tasks/apps.py: the schedule "Remind" {error}'
    ):
        declared()


def test_two_apps_do_not_share_a_name(monkeypatch):
    again = {SWEEP: {"task": "invoices.tasks.send", "cron": "* * * * *"}}
    monkeypatch.setattr(apps.get_app_config("home"), "schedules", again, raising=False)
    with pytest.raises(ImproperlyConfigured, match=r"taken: Declared in home/apps.py"):
        declared()


def test_the_tables_can_be_removed():
    migrate("django_celery_beat", "zero")
    try:
        assert PeriodicTask._meta.db_table not in connection.introspection.table_names()
    finally:
        migrate()
    assert PeriodicTask.objects.filter(name=SWEEP).exists()


def test_the_clean_up_deletes_expired_sessions():
    now = timezone.now()
    for key, age in {"old": 1, "new": -1}.items():
        Session.objects.create(session_key=key, expire_date=now - timedelta(days=age))
    clean_up()
    assert [session.session_key for session in Session.objects.all()] == ["new"]
