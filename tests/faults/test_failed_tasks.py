"""Each way in which a task fails for good, by real workers, as the admin shows it."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from celery import shared_task
from celery_processes import add_chores
from chores import die, fail_until, ignore_the_limit, note
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import User
from config.celery import app
from tasks import failures
from tasks.failures import clean_up
from tasks.fixtures import CeleryCommand, RedisServer, wait_until
from tasks.models import FailedTask

LIST = reverse("admin:tasks_failedtask_changelist")
# Seconds after which a failure is on the page.
SOON = 2


@pytest.fixture
def celery(celery: CeleryCommand) -> CeleryCommand:
    return add_chores(celery)


@pytest.fixture
def page(admin_client: Client) -> Callable[[], str]:
    return lambda: admin_client.get(f"{LIST}?failed=yes").content.decode()


def press(client: Client, action: str) -> str:
    """Do this with all rows, and return what the page says."""
    rows = list(FailedTask.objects.values_list("pk", flat=True))
    data = {"action": action, "_selected_action": rows}
    return client.post(LIST, data, follow=True).content.decode()


def test_each_kind_of_failure_is_found_at_once(celery: CeleryCommand, notes: Path, page):
    worker = celery.worker()
    file = str(notes)
    for publish, said, shown in (
        (
            lambda: fail_until.delay("none"),
            "raised unexpected",
            "FileNotFoundError: redis://…@host",
        ),
        (lambda: ignore_the_limit.delay(file), "Hard time limit (2s)", "TimeLimitExceeded"),
        (lambda: die.delay(file), "handler raised error: WorkerLost", "WorkerLostError"),
        (lambda: app.send_task("gone", [7]), "unregistered task", "NotRegistered"),
        (lambda: note.apply_async([file], serializer="pickle"), "invalid", "ContentDisallowed"),
    ):
        publish()
        worker.wait_for(said)
        wait_until(lambda shown=shown: shown in page(), shown, timeout=SOON)
    assert "secret" not in page()
    assert set(FailedTask.objects.values_list("times", flat=True)) == {1}
    assert FailedTask.objects.get(task="gone").args == "[7]"


def test_a_database_that_is_down_loses_no_failure(celery: CeleryCommand, page):
    worker = celery.worker(DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    clean_up.delay()
    worker.wait_for("raised unexpected: OperationalError")
    wait_until(lambda: "tasks.cleanup.clean_up" in page(), "the failure", timeout=SOON)


def test_two_people_run_it_again_once(
    celery: CeleryCommand, redis_server: RedisServer, notes: Path, page, admin_client
):
    notes.unlink()
    worker = celery.worker()
    fail_until.delay(str(notes))
    worker.wait_for("raised unexpected")
    page()
    press(admin_client, "run_again")  # too early
    wait_until(lambda: page() and FailedTask.objects.get().times == 2, "the second failure")
    worker.stop()

    notes.touch()
    people = [Client(), Client()]
    for number, person in enumerate(people):
        person.force_login(User.objects.create_superuser(f"{number}@example.com"))
    together = Barrier(2)

    def at_once(person: Client) -> str:
        together.wait()
        return press(person, "run_again")

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(at_once, people))
    assert sorted("Run again. 1 of 1." in answer for answer in answers) == [False, True]
    assert sorted("nothing to do (queued again)" in answer for answer in answers) == [False, True]
    assert redis_server.client.llen("celery") == 1

    celery.worker().wait_for("succeeded")
    wait_until(lambda: "FileNotFoundError" not in page(), "it to be settled", timeout=SOON)
    assert "nothing to do (succeeded meanwhile)" in press(admin_client, "run_again")
    decisions = LogEntry.objects.filter(change_message="Run again.")
    assert decisions.count() == 2
    assert decisions.filter(user__email="admin@example.com").count() == 1


def test_a_message_that_an_earlier_version_put_aside_is_kept(
    celery: CeleryCommand, redis_server: RedisServer, page
):
    note.delay("somewhere")
    message = json.loads(redis_server.client.lpop("celery"))
    redis_server.client.rpush(failures.DEAD, json.dumps([message, "", "celery"]))
    assert "One worker after the other died" in page()
    assert FailedTask.objects.get(task="chores.note").args == '["somewhere"]'


def test_a_note_that_nobody_can_read_hides_no_other(
    celery: CeleryCommand, redis_server: RedisServer, page
):
    """Such as a text with half a character, and what strangers write into Redis."""
    for error in ("bad name \udcff", "the last one"):
        fields = {"task": error, "id": error, "args": "[1]", "kwargs": "{}", "queue": "x" * 300}
        note = fields | {"error": error, "at": time.time()}
        for entry in (note, {"task": "half"}, [1], 7):
            redis_server.client.rpush(failures.DEAD, json.dumps(entry))
    assert "bad name" in page()
    assert "the last one" in page()
    assert not redis_server.client.llen(failures.DEAD)


@pytest.mark.django_db(transaction=True)
def test_while_redis_is_down_the_page_says_so(broken_redis, admin_client):
    now = failures.datetime.now(failures.UTC)
    FailedTask.objects.create(
        task="chores.note",
        args='["x"]',
        kwargs="{}",
        first_failed_at=now,
        last_failed_at=now,
    )
    start = time.monotonic()
    answer = press(admin_client, "run_again")
    assert time.monotonic() - start < 5
    assert "A server does not answer" in answer
    assert "Nothing is changed." in answer
    assert FailedTask.objects.get().state == "failed"
    assert not LogEntry.objects.exists()


@shared_task(queue="gone")
def of_a_queue_that_is_gone() -> None: ...


def test_one_whose_queue_is_gone_stays_failed(
    redis_server: RedisServer, broker, page, admin_client
):
    broker(redis_server.url)
    note = {"task": of_a_queue_that_is_gone.name, "id": "1", "args": "[]", "kwargs": "{}"}
    note |= {"queue": "gone", "error": "it failed", "at": time.time()}
    redis_server.client.rpush(failures.DEAD, json.dumps(note))
    assert "it failed" in page()
    answer = press(admin_client, "run_again")
    assert "gone" in answer
    assert "Nothing is changed." in answer
    assert FailedTask.objects.get().state == "failed"
