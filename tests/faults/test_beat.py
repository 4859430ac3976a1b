"""A real beat: it keeps the schedule, and never together with another one."""

import contextlib
import select
import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.emails import WELCOME
from accounts.models import User
from outbox.models import Email
from outbox.promises import promise
from tasks.fixtures import CeleryCommand, RedisServer, wait_until


def test_what_was_missed_is_sent(celery: CeleryCommand, every_second):
    user = User.objects.create_user("ada@example.com", name="Ada")
    promise([user.pk], WELCOME)
    celery.worker()
    beat = celery("beat", "-l", "info")

    wait_until(lambda: Email.objects.get().sent_at, "the e-mail")
    assert len(celery.mails()) == 1
    assert beat.stop() == 0


def test_a_second_beat_waits_until_the_first_ends(celery: CeleryCommand, every_second):
    first = celery("beat", "-l", "info")
    first.wait_for("Sent due task")
    second = celery("beat", "-l", "info")
    second.wait_for("Another beat runs on this database. Waiting until it ends.")
    third = celery("beat")
    third.wait_for("Waiting until it ends.")
    assert third.stop() == 0

    first.end()
    second.wait_for("Sent due task")


def test_a_beat_goes_on_when_redis_is_back(
    celery: CeleryCommand, redis_server: RedisServer, every_second
):
    beat = celery("beat", "-l", "info")
    beat.wait_for("Sent due task")
    redis_server.process.stop()
    beat.wait_for("Couldn't apply scheduled task Send due e-mails")
    assert "Traceback" not in beat.output

    redis_server.start()
    sent = redis_server.client.llen("celery")
    wait_until(lambda: redis_server.client.llen("celery") > sent, "a message")


@pytest.mark.parametrize("restarts", [False, True])
def test_what_is_due_while_redis_is_away_is_sent_once(
    celery: CeleryCommand, redis_server: RedisServer, restarts: bool
):
    """A task of the night is not left out until the next one, also if beat restarts meanwhile."""
    PeriodicTask.objects.exclude(name="Clean up").delete()
    task = PeriodicTask.objects.get()
    task.last_run_at = timezone.now() - timedelta(days=1)
    task.save()
    beat = celery("beat", "-l", "info", "--max-interval", "1")
    beat.wait_for("Sent due task Clean up")
    redis_server.process.stop()
    task.save()  # it is due again
    beat.wait_for("Couldn't apply scheduled task Clean up")
    if restarts:
        assert beat.stop() == 0
    redis_server.start()
    if restarts:
        beat = celery("beat", "-l", "info")
    wait_until(lambda: redis_server.client.llen("celery") == 2, "the second message")
    assert beat.stop() == 0
    assert beat.output.count("Couldn't apply") == (not restarts)  # it is said once
    assert redis_server.client.llen("celery") == 2
    task.refresh_from_db()
    assert timezone.now() - task.last_run_at < timedelta(hours=1)


def test_a_beat_that_is_told_to_end_sends_what_it_has_begun_to(
    celery: CeleryCommand, redis_server: RedisServer, every_second
):
    """What is noted as sent is sent: here the signal comes while Redis has yet to take it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    beat = celery("beat", "-l", "info", CELERY_BROKER_WRITE_URL=f"redis://127.0.0.1:{port}/1")

    def forward(caller: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", redis_server.port))
        ends = {caller: server, server: caller}
        while True:
            for end in select.select([*ends], [], [])[0]:
                data = end.recv(65536)
                if b"LPUSH" in data:
                    beat.terminate()
                    # Whoever does not wait for an answer hangs up, and nothing is forwarded.
                    if select.select([end], [], [], 0.2)[0]:
                        data = b""
                if not data:
                    server.close()
                    caller.close()
                    return
                ends[end].sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                threading.Thread(target=forward, args=[caller], daemon=True).start()

    with listener:
        threading.Thread(target=accept, daemon=True).start()
        assert beat.wait(20) == 0
    # At a full minute it may be the task of another queue that comes first.
    queued = [redis_server.client.llen(queue.name) for queue in settings.CELERY_TASK_QUEUES]
    assert beat.output.count("Sent due task") == sum(queued) == 1


def test_a_beat_goes_on_where_no_file_can_be_written(celery: CeleryCommand, every_second, tmp_path):
    (tmp_path / "run").touch()  # where the folder of the heartbeats would be
    beat = celery("beat", "-l", "info", PC_PROC_NAME="celery-beat")
    wait_until(lambda: beat.output.count("Sent due task") >= 2, "the second task")
    assert beat.stop() == 0


def test_a_beat_shows_that_it_works(celery: CeleryCommand, tmp_path: Path):
    heartbeat = tmp_path / "run" / "celery-beat.0"
    beat = celery("beat", PC_PROC_NAME="celery-beat")
    wait_until(heartbeat.exists, "a heartbeat")

    assert beat.stop() == 0
    assert not heartbeat.exists()
