"""A real beat: it keeps the schedule, and never together with another one."""

from pathlib import Path

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
    first.wait_for("Sending due task")
    second = celery("beat", "-l", "info")
    second.wait_for("Another beat runs on this database. Waiting until it ends.")
    third = celery("beat")
    third.wait_for("Waiting until it ends.")
    assert third.stop() == 0

    first.end()
    second.wait_for("Sending due task")


def test_a_beat_goes_on_when_redis_is_back(
    celery: CeleryCommand, redis_server: RedisServer, every_second
):
    beat = celery("beat", "-l", "info")
    beat.wait_for("Sending due task")
    redis_server.process.stop()
    beat.wait_for("Couldn't apply scheduled task Send due e-mails")
    assert "Traceback" not in beat.output

    redis_server.start()
    sent = redis_server.client.llen("celery")
    wait_until(lambda: redis_server.client.llen("celery") > sent, "a message")


def test_a_beat_shows_that_it_works(celery: CeleryCommand, tmp_path: Path):
    heartbeat = tmp_path / "run" / "celery-beat.0"
    beat = celery("beat", PC_PROC_NAME="celery-beat")
    wait_until(heartbeat.exists, "a heartbeat")

    assert beat.stop() == 0
    assert not heartbeat.exists()
