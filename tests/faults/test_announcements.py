"""Announcements whose worker is killed, and what they hold up."""

import re
import time
from datetime import timedelta

import pytest
from celery_processes import add_chores
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from accounts.signup import sign_up
from announcements.models import Announcement
from announcements.tasks import continue_announcements, promise
from outbox.models import Email
from tasks.fixtures import CeleryCommand, RedisServer, wait_until


@pytest.fixture
def celery(celery: CeleryCommand) -> CeleryCommand:
    return add_chores(celery)


def create_users(count: int) -> None:
    User.objects.bulk_create(User(email=f"{n}@example.com", name=f"User {n}") for n in range(count))


def announce() -> Announcement:
    newest = User.objects.latest("pk").pk
    return Announcement.objects.create(last_user_id=newest, subject="We move", text="On Friday.")


def let_time_pass(**time: int) -> None:
    """Make everything that waits older."""
    past = timezone.now() - timedelta(**time)
    Announcement.objects.update(moved_at=past)
    Email.objects.filter(sent_at=None).update(not_before=past)


def test_a_single_email_overtakes_an_announcement(celery: CeleryCommand):
    create_users(800)
    celery.worker("-c", "1")
    promise.delay(announce().pk)
    wait_until(lambda: Email.objects.exclude(sent_at=None).exists(), "the first e-mails")
    sign_up("ada@example.com", "Ada", "difference-engine")

    welcome = Email.objects.filter(kind=WELCOME)
    wait_until(lambda: welcome.exclude(sent_at=None).exists(), "the welcome")
    assert Email.objects.exclude(kind=FOLLOW_UP).filter(sent_at=None).exists()


def test_beat_sends_a_task_to_its_own_queue(
    celery: CeleryCommand, redis_server: RedisServer, every_second
):
    PeriodicTask.objects.filter(name="Send due e-mails").update(task=continue_announcements.name)
    celery("beat")
    wait_until(lambda: redis_server.client.llen("bulk"), "a message")
    assert not redis_server.client.llen("celery")


def test_a_killed_worker_loses_nobody(celery: CeleryCommand, fault_report):
    create_users(400)
    announcement = announce()
    sent = Email.objects.exclude(sent_at=None)
    killed = celery.worker()
    promise.delay(announcement.pk)
    wait_until(lambda: sent.count() > 50, "the first e-mails")
    killed.end()
    assert sent.count() < 400
    start = time.monotonic()

    celery.worker()
    wait_until(lambda: sent.count() + Email.objects.exclude(claim=None).count() == 400, "the rest")
    # What was being sent is claimed until its lease is over.
    let_time_pass(minutes=4)
    continue_announcements.delay()
    wait_until(lambda: sent.count() == 400, "the last")
    to = [re.search(r"^To: (.*)$", message, re.M)[1] for message in celery.mails()]
    lost, doubled = 400 - len(set(to)), len(to) - len(set(to))
    took = f"{time.monotonic() - start:.1f}, without the lease"
    fault_report("celery-mail killed", 1, "an announcement to 400", lost, doubled, took)
    assert lost == 0
    # Twice only what was killed between the mail server's answer and the mark, in two processes.
    assert doubled <= 2
