"""A real worker on a real Redis: what becomes of tasks when something stops or dies."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from celery_processes import add_chores
from chores import die, ignore_the_limit, note, rest
from django.urls import reverse

from accounts.emails import WELCOME
from accounts.signup import sign_up
from outbox.models import Email
from tasks.failures import DEAD
from tasks.fixtures import CeleryCommand, RedisServer, wait_until
from tasks.models import FailedTask
from tasks.recovery import DEATHS

LIST = reverse("admin:tasks_failedtask_changelist")


@pytest.fixture
def celery(celery: CeleryCommand) -> CeleryCommand:
    return add_chores(celery)


def test_a_worker_shows_that_it_works(celery: CeleryCommand, tmp_path: Path):
    worker = celery.worker(PC_PROC_NAME="celery-worker-2", PC_REPLICA_NUM="2")
    heartbeat = tmp_path / "run" / "celery-worker.2"
    assert heartbeat.read_text().split()[0] == str(worker.pid)

    worker.stop()
    assert not heartbeat.exists()


def test_the_task_of_a_killed_pool_process_runs_again_some_times(celery: CeleryCommand, notes):
    worker = celery.worker()
    die.delay(str(notes))
    worker.wait_for("Task handler raised error: WorkerLostError")
    assert notes.read_text().split() == ["begun"] * 2  # and its one retry

    note.delay(str(notes))
    wait_until(lambda: "noted" in notes.read_text(), "the next task")


def test_the_task_of_a_killed_worker_runs_again(celery: CeleryCommand, notes):
    """On the same machine, whatever its lease is."""
    killed = celery.worker(LEASE="3600")
    rest.delay(str(notes), 2)
    wait_until(notes.read_text, "the task's start")
    killed.end()

    celery.worker().wait_for("A worker died: 1 of its tasks go back")
    wait_until(lambda: "done" in notes.read_text(), "the task's end")
    assert notes.read_text().split() == ["begun", "begun", "done"]


def test_a_living_worker_keeps_its_tasks(celery: CeleryCommand, notes):
    celery.worker()
    rest.delay(str(notes), 5.5)  # longer than a lease in these tests
    wait_until(notes.read_text, "the task's start")

    celery.worker("-n", "other@%h")
    wait_until(lambda: "done" in notes.read_text(), "the task's end")
    assert notes.read_text().split() == ["begun", "done"]


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_task_that_ends_its_workers_is_put_aside(
    celery: CeleryCommand, redis_server: RedisServer, notes, pool: str, admin_client
):
    options = ["--pool", pool]
    die.delay(str(notes))
    # Each of those workers has this one too, but does not begin it.
    note.apply_async((str(notes),), countdown=3600)
    for _ in range(DEATHS):
        assert celery.worker(*options).wait(40) == -signal.SIGKILL

    survivor = celery.worker(*options)
    survivor.wait_for("3 workers died while they ran chores.die[")
    note.delay(str(notes))
    wait_until(lambda: "noted" in notes.read_text(), "the next task")
    assert notes.read_text().split() == ["begun"] * DEATHS + ["noted"]
    survivor.stop()

    assert "One worker after the other died" in admin_client.get(LIST).content.decode()
    row = FailedTask.objects.get()
    assert row.args == json.dumps([str(notes)])
    assert redis_server.client.llen("celery") == 1  # the one that waits
    admin_client.post(LIST, {"action": "run_again", "_selected_action": [row.pk]})
    assert redis_server.client.llen("celery") == 2
    assert not redis_server.client.exists(DEAD)


def test_a_worker_that_was_silent_poisons_no_task(
    celery: CeleryCommand, redis_server: RedisServer, notes
):
    """As on a machine that slept: its tasks went to another worker, and it comes back."""
    celery.env["DEATHS"] = "2"
    celery.worker_options += ["--pool", "threads"]
    silent = celery.worker("-n", "silent@%h")
    rest.delay(str(notes), 60)
    wait_until(notes.read_text, "the task's start")
    silent.send_signal(signal.SIGSTOP)
    killed = celery.worker("-n", "killed@%h")
    killed.wait_for("A worker died: 1 of its tasks go back")
    wait_until(lambda: notes.read_text().count("begun") == 2, "the task's second start")

    silent.send_signal(signal.SIGCONT)
    wait_until(lambda: redis_server.client.keys("*-returned"), "the silent worker")
    killed.end()
    silent.wait_for("A worker died: 1 of its tasks go back")
    wait_until(lambda: notes.read_text().count("begun") == 3, "the task's third start")
    assert not redis_server.client.exists(DEAD)


def test_a_worker_that_was_silent_stops_what_others_run(celery: CeleryCommand, notes):
    silent = celery.worker("-n", "silent@%h")
    rest.delay(str(notes), 6)
    wait_until(notes.read_text, "the task's start")
    os.killpg(silent.pid, signal.SIGSTOP)
    celery.worker("-n", "other@%h").wait_for("A worker died: 1 of its tasks go back")
    wait_until(lambda: notes.read_text().count("begun") == 2, "the task's second start")

    os.killpg(silent.pid, signal.SIGCONT)
    silent.wait_for("silent for too long")
    wait_until(lambda: "done" in notes.read_text(), "the task's end")
    note.delay(str(notes))
    wait_until(lambda: "noted" in notes.read_text(), "the next task")
    time.sleep(2)  # more than the rest of the first
    assert notes.read_text().split() == ["begun", "begun", "done", "noted"]


@pytest.mark.parametrize(("pool", "begun"), [("prefork", 2), ("threads", 1)])
def test_a_redis_that_restarts_costs_no_task(
    celery: CeleryCommand, redis_server: RedisServer, notes, tmp_path: Path, pool: str, begun: int
):
    """Processes are stopped, and their tasks run again; threads cannot be, and go on."""
    worker = celery.worker("--pool", pool)
    short = tmp_path / "short"
    short.touch()
    rest.delay(str(notes), 8)
    rest.delay(str(short), 4)  # it ends while there is no Redis
    wait_until(lambda: notes.read_text() and short.read_text(), "the tasks' start")
    redis_server.process.stop()
    if pool == "threads":
        wait_until(lambda: "done" in short.read_text(), "the short task's end")
    redis_server.start()

    wait_until(lambda: "done" in notes.read_text(), "the task's end")
    note.delay(str(notes))
    wait_until(lambda: "noted" in notes.read_text(), "the next task")
    assert notes.read_text().split() == ["begun"] * begun + ["done", "noted"]
    wait_until(lambda: "done" in short.read_text(), "the short task's end")
    assert short.read_text().split() == ["begun"] * begun + ["done"]
    wait_until(lambda: not redis_server.client.keys("unacked-*-index"), "the acknowledgements")
    assert pool == "prefork" or "Traceback" not in worker.output


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who shares what")
def test_pool_processes_share_what_was_imported(celery: CeleryCommand, notes):
    worker = celery.worker()
    note.delay(str(notes))
    wait_until(notes.read_text, "the task")
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    assert len(children) == 2
    for child in children:
        memory = Path(f"/proc/{child}/smaps_rollup").read_text()
        [own] = re.findall(r"Private_Dirty: +(\d+) kB", memory)
        assert int(own) < 25 * 1024  # of 77 MiB


def test_a_worker_for_tasks_that_only_wait(celery: CeleryCommand, redis_server, notes):
    """The command of README.md, "Scale". None is lost or runs twice when Redis restarts."""
    options = ["-Q", "io", "--pool", "threads", "-c", "100", "-n", "io@%h"]
    worker = celery.worker(*options)
    for _ in range(100):
        rest.apply_async([str(notes), 3], queue="io")
    wait_until(lambda: notes.read_text().count("begun") == 100, "all of them at the same time")
    redis_server.process.stop()
    redis_server.start()

    wait_until(lambda: notes.read_text().count("done") == 100, "the tasks' end")
    wait_until(lambda: not redis_server.client.keys("unacked-*-index"), "the acknowledgements")
    rest.apply_async([str(notes), 0], queue="io")
    wait_until(lambda: notes.read_text().count("done") == 101, "the next task")
    assert notes.read_text().count("begun") == 101
    assert "Traceback" not in worker.output


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_a_stop_finishes_short_tasks_and_gives_long_ones_back(
    celery: CeleryCommand,
    redis_server: RedisServer,
    notes,
    tmp_path: Path,
    signum: int,
    code: int,
    pool: str,
):
    worker = celery.worker("--pool", pool)
    long_notes = tmp_path / "long"
    long_notes.touch()
    rest.delay(str(long_notes), 60)
    rest.delay(str(notes), 1)
    wait_until(lambda: notes.read_text() and long_notes.read_text(), "the tasks' start")

    assert worker.stop(signum) == code
    assert notes.read_text().split() == ["begun", "done"]
    assert long_notes.read_text().split() == ["begun"]
    [message] = redis_server.client.lrange("celery", 0, -1)
    assert str(long_notes) in json.loads(message)["headers"]["argsrepr"]


def test_a_task_that_ignores_its_time_limit_is_ended(celery: CeleryCommand, notes):
    worker = celery.worker()
    ignore_the_limit.delay(str(notes))
    worker.wait_for("Hard time limit (2s) exceeded")
    assert notes.read_text().split() == ["warned"]

    note.delay(str(notes))
    wait_until(lambda: "noted" in notes.read_text(), "the next task")


def test_only_json_is_read(celery: CeleryCommand, notes):
    worker = celery.worker()
    note.apply_async((str(notes),), serializer="pickle")
    worker.wait_for("Refusing to deserialize")

    note.delay(str(notes))
    wait_until(notes.read_text, "the next task")
    assert notes.read_text().split() == ["noted"]


def test_a_wrong_variable_is_named(celery: CeleryCommand):
    for command in (["worker"], ["beat"], ["flower"]):
        process = celery(*command, CELERY_BROKER_URL="localhost:6379")
        assert process.wait(20) == 1
        assert process.output.startswith("celery: CELERY_BROKER_URL=localhost:6379 is not")
        assert len(process.output.splitlines()) == 1


def test_a_worker_loads_neither_flower_nor_a_shell():
    """As long as `celery` does: without that, nobody would need `python -m tasks`."""
    loaded = {}
    for program in ("celery -A config", "tasks"):
        words = [sys.executable, "-X", "importtime", "-m", *program.split(), "worker", "--help"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        loaded[program] = {*done.stderr.split()} & {"flower.app", "prompt_toolkit"}
    assert loaded == {"celery -A config": {"flower.app", "prompt_toolkit"}, "tasks": set()}


def test_a_slow_task_does_not_hold_up_emails(celery: CeleryCommand, notes):
    celery.worker("-X", "slow", "-c", "1", "-n", "short@%h")
    celery.worker("-Q", "slow", "-c", "1", "-n", "slow@%h")
    rest.apply_async((str(notes), 10), queue="slow")
    rest.apply_async((str(notes), 10), queue="slow")
    wait_until(notes.read_text, "the slow task's start")

    sign_up("ada@example.com", "Ada", "difference-engine")
    wait_until(lambda: Email.objects.get(kind=WELCOME).sent_at, "the e-mail")
    assert notes.read_text().split() == ["begun"]


def test_a_message_that_waits_stays_in_redis_for_others(
    celery: CeleryCommand, redis_server: RedisServer, notes
):
    """And of what is there, the first queue's is run first."""
    worker = celery.worker("-c", "1")
    rest.delay(str(notes), 4)
    wait_until(notes.read_text, "the task's start")
    queues = ["bulk", "io", "slow", "mail", "celery"]
    for queue in queues:
        note.apply_async((str(notes), queue), queue=queue)
    time.sleep(1)  # it would take them at once
    assert [redis_server.client.llen(queue) for queue in queues] == [1] * 5

    wait_until(lambda: "bulk" in notes.read_text(), "the last task")
    assert notes.read_text().split() == ["begun", "done", *reversed(queues)]
    assert worker.stop() == 0
