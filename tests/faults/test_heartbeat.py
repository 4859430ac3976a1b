"""A heartbeat is written where it is asked for, never ends a process, and says when one hangs."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from temporal_processes import process_environment

from config import heartbeat
from tasks.fixtures import CeleryCommand, Process, RedisServer, wait_until
from workflows.fixtures import Temporal


def test_only_where_it_is_asked_for_is_there_a_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    heartbeat.beat()
    assert not (tmp_path / "data").exists()

    monkeypatch.setenv("PC_PROC_NAME", "mailer-2")
    monkeypatch.setenv("PC_REPLICA_NUM", "2")
    file = tmp_path / "data" / "run" / "mailer.2"
    heartbeat.beat()
    assert file.read_text().split()[0] == str(os.getpid())

    file.write_text("1 9999999999\n")  # a process that has replaced this one
    heartbeat.remove()
    assert file.exists()
    heartbeat.beat()
    heartbeat.remove()
    assert not file.exists()

    (tmp_path / "file").touch()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "file"))
    heartbeat.beat()  # cannot be written, and is no error


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "probed" / "beat"


@pytest.fixture
def check(file: Path) -> Callable[[], tuple[int, str]]:
    """What the READMEs name as the liveness probe."""
    command = [sys.executable, "-IS", "config/heartbeat.py"]

    def check() -> tuple[int, str]:
        environment = {"HEARTBEAT_FILE": str(file)}
        result = subprocess.run(
            command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True
        )
        assert result.stderr.count("\n") <= 1
        return result.returncode, result.stderr.strip()

    return check


def test_a_missing_or_old_heartbeat_is_said_in_one_sentence(file, check):
    missing = f"There is no heartbeat in HEARTBEAT_FILE={file}: No such file or directory."
    assert check() == (1, missing)
    file.parent.mkdir()
    file.touch()
    assert check() == (0, "")
    let_time_pass(file, 20)
    assert check() == (0, "")
    let_time_pass(file, 11)
    code, said = check()
    assert code == 1
    assert re.fullmatch(rf"The heartbeat in {file} is 3\d s old\.", said)


def let_time_pass(file: Path, seconds: float) -> None:
    written = file.stat().st_mtime - seconds
    os.utime(file, (written, written))


@pytest.fixture
def temporal_worker(real_temporal: Temporal, tmp_path: Path):
    started = []

    def start(**variables: str) -> Process:
        environment = process_environment(real_temporal, tmp_path) | variables
        command = [sys.executable, "manage.py", "run_temporal_worker"]
        started.append(Process(command, tmp_path / "worker.log", environment))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", ["worker", "beat", "temporal worker"])
def test_the_probe_tells_a_process_that_hangs(which, request, file, check):
    if which == "temporal worker":
        start = request.getfixturevalue("temporal_worker")
        process = start(HEARTBEAT_FILE=str(file))
    else:
        celery: CeleryCommand = request.getfixturevalue("celery")
        process = celery(which, HEARTBEAT_FILE=str(file))
    wait_until(lambda: check()[0] == 0, f"a heartbeat; log: {process.output}", timeout=60)

    # As long as it works, an old heartbeat is soon followed by a new one.
    let_time_pass(file, 31)
    wait_until(lambda: check()[0] == 0, "the next heartbeat")
    process.send_signal(signal.SIGSTOP)
    let_time_pass(file, 31)
    assert check()[0] == 1

    process.send_signal(signal.SIGCONT)
    assert process.stop() == 0
    assert check()[0] == 1


def test_a_worker_that_cannot_reach_redis_has_no_heartbeat(
    celery: CeleryCommand, redis_server: RedisServer, file, check
):
    worker = celery.worker(HEARTBEAT_FILE=str(file))
    redis_server.process.stop()
    worker.wait_for("Connection to broker lost")
    missed = 2 * heartbeat.INTERVAL
    wait_until(lambda: time.time() - file.stat().st_mtime > missed, "the heartbeats' end")
    let_time_pass(file, 31)
    assert check()[0] == 1
    redis_server.start()
    wait_until(lambda: check()[0] == 0, "the next heartbeat")
