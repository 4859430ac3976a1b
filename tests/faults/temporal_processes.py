"""Processes and servers of Temporal's, for the tests of faults."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from temporalio.client import Client
from temporalio.service import RPCError

from tasks.fixtures import database_url
from workflows.fixtures import Temporal, program

Result = TypeVar("Result")


def process_environment(temporal: Temporal | str, folder: Path) -> dict[str, str]:
    """For a process on the test database, with a folder of its own for everything else."""
    if isinstance(temporal, Temporal):
        temporal = temporal.client.service_client.config.target_host
    return os.environ | {
        "TEMPORAL_ADDRESS": temporal,
        "TEMPORAL_TASK_QUEUE": settings.TEMPORAL_TASK_QUEUE,
        "DATABASE_URL": database_url(),
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def start_dev_server(port: int, database: Path) -> subprocess.Popen:
    """Start a development server that can be stopped and started again."""
    command = [program("temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    command += ["--port", str(port), "--db-filename", str(database), "--log-level", "never"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def set_current_version(
    temporal: Temporal | str, deployment: str, *version: str, **variables: str
) -> str:
    """Run the command of the README, "Versions", and return what it says."""
    if isinstance(temporal, Temporal):
        temporal = temporal.client.service_client.config.target_host
    command = [program("temporal"), "worker", "deployment", "set-current-version", "--yes"]
    # To the CLI, a variable that is set to nothing is set.
    environment = {name: value for name, value in os.environ.items() if value}
    environment |= {"TEMPORAL_ADDRESS": temporal, "TEMPORAL_NAMESPACE": "default"}
    result = subprocess.run(
        [*command, "--deployment-name", deployment, *version],
        env=environment | variables,
        capture_output=True,
        text=True,
    )
    return result.stdout + result.stderr


async def connected(port: int) -> Client:
    """A client of a server that has just been started on this port."""
    while True:
        try:
            return await Client.connect(f"127.0.0.1:{port}")
        except (RuntimeError, RPCError):
            await asyncio.sleep(0.1)


def wait_until(condition: Callable[[], Result], what: str, timeout: float = 20) -> Result:
    """Wait until the condition holds and return what it returned; fail after some seconds."""
    end = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(0.05)
    return result
