"""A mail server that takes long to answer gets each e-mail once, and holds up nothing else.

With the workers of `services/celery.yaml`.
"""

import re
import time
from collections.abc import Iterator

import pytest
from celery_processes import add_chores
from chores import note
from django.conf import settings
from mail_server import MailServer

from accounts.emails import WELCOME
from accounts.models import User
from accounts.signup import sign_up
from announcements.models import KIND, Announcement
from announcements.tasks import promise
from outbox import promises
from outbox.models import Email
from tasks.emails import send_due_emails
from tasks.fixtures import CeleryCommand, wait_until


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def celery(celery: CeleryCommand, server: MailServer) -> CeleryCommand:
    celery.env["EMAIL_URL"] = f"smtp://127.0.0.1:{server.port}"
    return add_chores(celery)


@pytest.fixture
def workers(celery: CeleryCommand) -> None:
    services = (settings.BASE_DIR / "services" / "celery.yaml").read_text()
    lines = re.findall(r"python -m tasks worker\s+(.+?)\s+log_location", services, re.DOTALL)
    assert len(lines) == 3
    for number, line in enumerate(lines):
        celery.worker_options = ["-I", "chores"]
        line = line.replace("${CELERY_WORKER_CONCURRENCY:-2}", "2")
        celery.worker(*line.replace("$$PC_REPLICA_NUM", str(number)).split())


def other_tasks_run(notes) -> None:
    """Publish tasks for the other queues, more than their workers have processes."""
    for _ in range(4):
        note.delay(str(notes))
        note.apply_async((str(notes),), queue="slow")
        note.apply_async((str(notes),), queue="io")
    wait_until(lambda: notes.read_text().count("noted") == 12, "the other tasks")


def test_a_slow_mail_server_gets_one_copy_and_holds_up_nothing(
    celery: CeleryCommand, workers, server: MailServer, notes
):
    server.at["END"] = "hold"
    for n in range(5):
        sign_up(f"{n}@example.com", "Ada", "difference-engine")
    wait_until(lambda: len(server.taken) == 5, "the e-mails' ends")
    sent = Email.objects.filter(kind=WELCOME).exclude(sent_at=None)
    other_tasks_run(notes)
    send_due_emails.delay()
    time.sleep(4)  # a multiple of what any other step may take
    assert not sent.exists()

    server.release.set()
    wait_until(lambda: sent.count() == 5, "the answers")
    send_due_emails.delay()
    time.sleep(1)
    assert len(server.taken) == 5
    assert not Email.objects.exclude(unanswered=0).exists()


def test_an_announcement_bears_it(celery: CeleryCommand, workers, server: MailServer, notes):
    User.objects.bulk_create(User(email=f"{n}@example.com", name="Ada") for n in range(25))
    newest = User.objects.latest("pk").pk
    announcement = Announcement.objects.create(last_user_id=newest, subject="We move", text=".")
    server.at["END"] = 0.5
    start = time.monotonic()
    promise.delay(announcement.pk)
    wait_until(lambda: server.taken, "the first e-mail")
    other_tasks_run(notes)

    sent = Email.objects.filter(kind=KIND).exclude(sent_at=None)
    wait_until(lambda: sent.count() == 25, "the last e-mail", timeout=60)
    assert len(server.taken) == 25
    assert time.monotonic() - start > 5  # it was slow


def test_each_promise_is_kept_by_beat_and_a_worker(
    celery: CeleryCommand, server: MailServer, every_second
):
    """With Celery alone, any kind and reference; what an app sends in bulk is left to that app."""
    user = User.objects.create_user("ada@example.com", name="Ada")
    promises.promise([user.pk], "newsletter", reference="1")
    for reference in ("42", "43"):
        promises.promise([user.pk], "invoice", reference=reference)
    celery.worker()
    celery("beat")

    wait_until(lambda: Email.objects.exclude(sent_at=None).count() == 2, "the e-mails")
    time.sleep(2)  # the next sweeps
    subjects = [line for mail in server.taken for line in mail.splitlines() if "Subject" in line]
    assert sorted(subjects) == ["Subject: invoice 42", "Subject: invoice 43"]
    assert Email.objects.get(kind="newsletter").attempts == 0


def test_one_worker_for_everything_sends_them_too(celery: CeleryCommand, server: MailServer):
    server.at["END"] = 4.0
    celery.worker()
    sign_up("ada@example.com", "Ada", "difference-engine")
    wait_until(lambda: Email.objects.get(kind=WELCOME).sent_at, "the e-mail")
    assert len(server.taken) == 1
