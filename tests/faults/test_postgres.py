"""PostgreSQL as a process of the stack: power cuts, bad input, and SIGKILL under load."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from config.celery import app
from outbox.delivery import LEASE
from postgres import serve
from tasks.emails import send_due_emails
from tasks.fixtures import CeleryCommand, Process, free_port, wait_until


class Server:
    """What `services/postgres.yaml` starts, on a folder and a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "a folder" / "postgres"
        self.port = free_port()
        self.log = folder / "log"
        self.running: list[Process] = []

    def start(self, *options: str) -> Process:
        command = [sys.executable, "-IS", serve.__file__, "start", str(self.data), str(self.port)]
        process = Process([*command, *options], self.log)
        self.running.append(process)
        return process

    def connect(self) -> psycopg.Connection:
        passfile = self.data / "passfile"
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", passfile=passfile, autocommit=True
        )

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def wait(self) -> None:
        wait_until(self.answers, "PostgreSQL")


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    for process in server.running:
        process.end()


def test_a_killed_server_comes_back_although_its_process_id_is_another_process(server):
    first = server.start("-F")
    server.wait()
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        first.stop(signal.SIGKILL)
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))  # as after a power cut
    second = server.start("-F")
    server.wait()
    with server.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]
    assert (server.data / "passfile").stat().st_mode & 0o777 == 0o600
    password = (server.data / "passfile").read_text().split(":")[-1].strip()
    command = Path(f"/proc/{second.pid}/cmdline").read_bytes()
    assert password.encode() not in command + server.log.read_bytes()
    started = time.monotonic()
    assert second.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 10


def test_what_a_killed_initdb_leaves_is_made_anew(server):
    first = server.start("-F")
    wait_until(lambda: server.data.with_name("postgres.new").exists(), "initdb")
    first.end()
    assert not server.data.exists()
    server.start("-F")
    server.wait()


def test_a_second_server_on_the_same_data_is_refused(server):
    first = server.start("-F")
    server.wait()
    server.port = free_port()
    second = server.start("-F")
    assert second.wait(30) == 1
    assert f"Another PostgreSQL server (pid {first.pid}) uses" in second.output


def test_data_of_another_version_are_named(server):
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("17\n")
    assert server.start().wait(30) == 1
    (first, *_) = server.log.read_text().splitlines()
    assert first == f"The data in {server.data} are of PostgreSQL 17, and this is 18."
    assert (server.data / "PG_VERSION").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_is_named_and_nothing_is_lost(server):
    disk = server.data.parent
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", disk], check=True)
    try:
        first = server.start()
        server.wait()
        with server.connect() as connection:
            connection.execute("CREATE TABLE kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('kept')")
        fill = disk / "fill"
        with pytest.raises(OSError), fill.open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        with pytest.raises(psycopg.Error, match="No space left"), server.connect() as connection:
            connection.execute("INSERT INTO kept SELECT 'more' FROM generate_series(1, 1e7)")
        wait_until(lambda: "No space left on device" in server.log.read_text(), "its words")
        fill.unlink()
        if first.poll() is not None:
            server.start()
        server.wait()
        with server.connect() as connection:
            assert connection.execute("SELECT word FROM kept LIMIT 1").fetchone() == ("kept",)
    finally:
        for process in server.running:
            process.end()
        # PostgreSQL's children notice a little later that it is gone.
        wait_until(lambda: subprocess.run(["umount", disk]).returncode == 0, "their end")


# Signs up one after the other until it is stopped, and says which sign-ups succeeded.
VISITORS = """
from itertools import count
from django.conf import settings
from django.db import Error, connection
from accounts.signup import sign_up
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
for number in count():
    try:
        sign_up(f"visitor{number}@example.com", "Ada", "difference-engine")
        print(f"visitor{number}@", flush=True)
    except Error:
        connection.close()
"""


@pytest.fixture
def celery(redis_server, broker, tmp_path):
    """Celery without the database of the tests."""
    broker(redis_server.url)
    command = CeleryCommand(tmp_path, redis_server.url)
    yield command
    for process in command.processes:
        process.end()


@pytest.mark.timeout(400)
def test_killed_under_load_it_loses_no_promise_and_doubles_none(server, celery):
    process = server.start()
    server.wait()
    address = f"postgres://postgres@127.0.0.1:{server.port}/postgres"
    celery.env["DATABASE_URL"] = f"{address}?passfile={server.data / 'passfile'}"
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "-v0"], cwd=serve.ROOT, env=celery.env, check=True)
    worker = celery.worker("--pool", "threads", "-c", "8")
    log = celery.folder / "visitors"
    visitors = Process([*manage, "shell", "-v0", "-c", VISITORS], log, celery.env)
    celery.processes.append(visitors)

    def welcomed() -> list[str]:
        return re.findall(r"visitor\d+@", log.read_text())

    def wait_for_more() -> None:
        enough = len(welcomed()) + 20
        wait_until(lambda: len(welcomed()) >= enough, "sign-ups", timeout=60)

    for _ in range(4):
        wait_for_more()
        process.stop(signal.SIGKILL)
        process = server.start()
    wait_for_more()
    visitors.stop()

    def all_sent() -> bool:
        if a_task_runs():
            return False
        with server.connect() as connection:
            where = "WHERE kind = 'welcome' AND sent_at IS NULL"
            # Claims of before: a worker may have begun another task since it answered.
            connection.execute(
                f"UPDATE outbox_email SET not_before = now(), claim = NULL {where}"
                f" AND not_before < now() + interval '{LEASE.seconds - 10} s'"
            )
            send_due_emails.delay()
            return not connection.execute(f"SELECT 1 FROM outbox_email {where}").fetchone()

    wait_until(all_sent, "the e-mails", timeout=60)
    sent = [re.search(r"^To: (visitor\d+@)", mail, re.MULTILINE)[1] for mail in celery.mails()]
    assert len(sent) == len(set(sent))
    assert set(welcomed()) <= set(sent)
    assert worker.stop() == 0


def a_task_runs() -> bool:
    """Whether a worker has begun a task, as far as is known: a busy one may answer late."""
    answers = app.control.inspect(timeout=2).active()
    tasks = [task for tasks in (answers or {}).values() for task in tasks]
    return not answers or any(task["time_start"] for task in tasks)
