"""Temporal's development server, as `services/temporal.yaml` starts it."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from free_ports import free_port
from temporal_processes import connected, process_environment, wait_until
from temporalio.client import Client

from workflows.fixtures import program

SERVICES = settings.BASE_DIR / "services" / "temporal.yaml"


def shell_command(name: str) -> str:
    """The command of a process, as the file has it."""
    process = SERVICES.read_text().split(f"\n  {name}:\n")[-1]
    command = " ".join(re.search(r"command: >-\n((?: {6}.*\n)+)", process)[1].split())
    return command.replace("$$", "$")


@dataclass
class Server:
    """The very command, on free ports, with a port for HTTP that is known."""

    folder: Path
    port: int = field(default_factory=free_port)
    ui_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)

    def start(self) -> None:
        environment = os.environ | {
            "PATH": f"{Path(program('temporal')).parent}{os.pathsep}{os.environ['PATH']}",
            "DATA_DIR": str(self.folder),
            "TEMPORAL_PORT": str(self.port),
            "TEMPORAL_UI_PORT": str(self.ui_port),
            "TEMPORAL_NAMESPACE": "default",
        }
        command = f"{shell_command('temporal')} --http-port {self.http_port}"
        self.process = subprocess.Popen(["sh", "-c", command], env=environment)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def post(port: int, path: str) -> int:
    """What a page of another site can send without asking first."""
    headers = {"Content-Type": "text/plain", "Origin": "http://evil.example"}
    request = Request(f"http://127.0.0.1:{port}/api/v1/namespaces/default/{path}", b"{}", headers)
    try:
        return urlopen(request, timeout=5).status
    except HTTPError as error:
        return error.code


def test_no_page_of_another_site_starts_or_stops_a_workflow(
    server, transactional_db, real_temporal, tmp_path
):
    client: Client = real_temporal.run(connected(server.port))
    queue = settings.TEMPORAL_TASK_QUEUE
    sweep = f"sweep-{uuid.uuid4()}"
    real_temporal.run(client.start_workflow("SweepWorkflow", id=sweep, task_queue=queue))
    workflow = f"workflows/{sweep}"
    for path in (f"{workflow}/cancel", f"{workflow}/signal/x", f"{workflow}/terminate"):
        assert post(server.http_port, path) == 403, path
    assert post(server.http_port, "workflows/started-by-a-page") == 403

    # The worker, the UI, and the probe, which asks the UI, go on.
    environment = process_environment(f"127.0.0.1:{server.port}", tmp_path)
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "run_temporal_worker"],
        cwd=settings.BASE_DIR,
        env=environment | {"PC_PROC_NAME": "temporal-worker"},
    )
    try:
        assert real_temporal.run(client.get_workflow_handle(sweep).result()) == 0
        heartbeat = tmp_path / "run" / "temporal-worker.0"
        wait_until(heartbeat.exists, "the worker's heartbeat")
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    address = f"http://127.0.0.1:{server.ui_port}"
    assert urlopen(f"{address}/namespaces/default/workflows", timeout=5).status == 200
    probe = [sys.executable, "-IS", ".slipway/ready.py", "http", str(server.ui_port)]
    probe += ["/api/v1/namespaces/default"]
    assert subprocess.run(probe, cwd=settings.BASE_DIR, timeout=20).returncode == 0


def test_a_killed_server_has_lost_nothing(server, real_temporal):
    """With `synchronous=normal`."""
    client: Client = real_temporal.run(connected(server.port))
    ids = [f"kept-{number}" for number in range(20)]
    for id in ids:
        real_temporal.run(client.start_workflow("Kept", id=id, task_queue="nobody"))
    server.kill()
    server.start()
    client = real_temporal.run(connected(server.port))
    for id in ids:
        assert real_temporal.run(client.get_workflow_handle(id).describe()).id == id
