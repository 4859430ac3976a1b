"""`python manage.py run_temporal_worker`, as a process manager sees it."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError
from free_ports import free_port
from temporal_mail_servers import HeldServer
from temporal_processes import connected, process_environment, start_dev_server, wait_until
from temporalio.client import Client

from accounts.emails import WELCOME
from outbox.models import Email
from workflows.fixtures import Temporal
from workflows.onboarding.start import start_onboarding
from workflows.worker_process import connect


class WorkerProcess:
    """A worker on the test database, with a folder of its own for everything else."""

    def __init__(self, temporal: Temporal | str, folder: Path, email_url: str) -> None:
        self.folder = folder
        self.log = folder / "worker.log"
        environment = process_environment(temporal, folder)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_temporal_worker"],
                cwd=settings.BASE_DIR,
                env=environment
                | {
                    "EMAIL_URL": email_url,
                    "PC_PROC_NAME": "temporal-worker",
                    "PC_REPLICA_NUM": "3",
                },
                stdout=output,
                stderr=output,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def heartbeat(self) -> Path:
        return self.folder / "run" / "temporal-worker.3"

    def wait_until_ready(self) -> None:
        wait_until(self.heartbeat.exists, f"the heartbeat; log:\n{self.output}", timeout=40)

    def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def start_worker(transactional_db, tmp_path) -> Iterator[Callable[..., WorkerProcess]]:
    started = []

    def start(temporal: Temporal | str, email_url: str = "") -> WorkerProcess:
        started.append(WorkerProcess(temporal, tmp_path, email_url))
        return started[-1]

    yield start
    for worker in started:
        worker.process.kill()
        worker.process.wait()


@pytest.fixture
def mail_server() -> Iterator[HeldServer]:
    server = HeldServer()
    yield server
    server.close()


def test_it_waits_for_a_server_and_notices_when_it_goes(start_worker, tmp_path):
    port = free_port()
    worker = start_worker(f"127.0.0.1:{port}")
    wait_until(lambda: "Waiting for Temporal" in worker.output, "it to say so", timeout=40)
    assert not worker.heartbeat.exists()

    server = start_dev_server(port, tmp_path / "temporal.db")
    try:
        worker.wait_until_ready()
        asyncio.run(connected(port))
    finally:
        server.terminate()
        server.wait(10)
    wait_until(lambda: "Temporal does not answer" in worker.output, "it to notice")
    last_beat = worker.heartbeat.stat().st_mtime
    time.sleep(1)  # it looks five times a second now
    assert worker.heartbeat.stat().st_mtime == last_beat
    assert worker.stop() == 0, worker.output
    assert not worker.heartbeat.exists()
    assert worker.output.count("Waiting for Temporal") == 1
    assert "Traceback" not in worker.output


def test_it_finishes_what_it_does_when_it_is_told_to_stop(
    start_worker, real_temporal, mail_server, user
):
    worker = start_worker(real_temporal, f"smtp://127.0.0.1:{mail_server.port}")
    worker.wait_until_ready()
    start_onboarding(user.pk)
    assert mail_server.busy.wait(10)

    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Stopping" in worker.output, "it to say so")
    worker.process.send_signal(signal.SIGTERM)  # the same Ctrl-C again, by way of a manager
    mail_server.released.set()
    assert worker.process.wait(10) == 0
    assert len(mail_server.messages) == 1
    assert Email.objects.get(user=user, kind=WELCOME).sent_at


def test_a_second_signal_does_not_wait(start_worker, real_temporal, mail_server, user):
    worker = start_worker(real_temporal, f"smtp://127.0.0.1:{mail_server.port}")
    worker.wait_until_ready()
    start_onboarding(user.pk)
    assert mail_server.busy.wait(10)

    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Stopping" in worker.output, "it to say so")
    time.sleep(1.1)  # what it ignores
    start = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(10) == 128 + signal.SIGTERM
    assert time.monotonic() - start < 1


REFUSED = """Failed client connect: `get_system_info` call error after connection: \
Status { code: Unauthenticated, message: "Request unauthorized.", source: None }"""


def test_a_server_that_refuses_it_is_not_waited_for(monkeypatch):
    """The text is what the SDK raised with a server that answered so."""

    async def refuse(*_, **__):
        raise RuntimeError(REFUSED)

    monkeypatch.setattr(Client, "connect", refuse)
    with pytest.raises(CommandError, match=r"refuses this client: Request unauthorized\. \(Unauth"):
        asyncio.run(connect())
