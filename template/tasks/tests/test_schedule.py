"""The periodic tasks of a new database, and what they do."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from config.celery import app
from tasks.cleanup import clean_up

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_entry_names_a_task_that_exists():
    app.loader.import_default_modules()
    tasks = set(PeriodicTask.objects.values_list("task", flat=True))
    assert {"tasks.emails.send_due_emails", "tasks.cleanup.clean_up"} <= tasks <= set(app.tasks)


def test_an_edit_is_kept():
    hourly = CrontabSchedule.objects.create(minute="0")
    PeriodicTask.objects.filter(name="Send due e-mails").update(crontab=hourly, enabled=False)

    call_command("migrate", verbosity=0)
    entry = PeriodicTask.objects.get(name="Send due e-mails")
    assert entry.crontab == hourly
    assert not entry.enabled


def test_the_tables_can_be_removed():
    call_command("migrate", "django_celery_beat", "zero", verbosity=0)
    try:
        assert PeriodicTask._meta.db_table not in connection.introspection.table_names()
    finally:
        call_command("migrate", verbosity=0)
    assert PeriodicTask.objects.filter(name="Send due e-mails").exists()


def test_the_clean_up_deletes_expired_sessions():
    now = timezone.now()
    for key, age in {"old": 1, "new": -1}.items():
        Session.objects.create(session_key=key, expire_date=now - timedelta(days=age))
    clean_up()
    assert [session.session_key for session in Session.objects.all()] == ["new"]
