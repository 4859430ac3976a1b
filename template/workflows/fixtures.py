"""Temporal for the tests: a server that skips time, and the development server.

Neither is the developer's own. Workers use the test database and run in this process; only
`test_worker_process.py` starts `run_temporal_worker`.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from django.conf import settings
from django.db import connection
from temporalio.api.workflowservice.v1 import ListOpenWorkflowExecutionsRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from accounts.models import Email, User
from accounts.signals import user_signed_up
from workflows import client, worker
from workflows.onboarding.start import on_sign_up

Result = TypeVar("Result")


@pytest.fixture(autouse=True)
def no_other_server(monkeypatch: pytest.MonkeyPatch, settings) -> Iterator[None]:
    """Nothing reaches the developer's own Temporal, nor another backend's servers."""
    settings.TEMPORAL_API_OPTIONS = {
        "target_host": f"127.0.0.1:{free_port()}",
        "namespace": "default",
    }
    settings.TEMPORAL_TASK_QUEUE = f"test-{uuid.uuid4()}"
    monkeypatch.setattr(client, "_client", None)
    receivers = [entry for entry in user_signed_up.receivers if entry[1]() is on_sign_up]
    monkeypatch.setattr(user_signed_up, "receivers", receivers)
    user_signed_up.sender_receivers_cache.clear()
    yield
    user_signed_up.sender_receivers_cache.clear()


class Temporal:
    """A Temporal server, its client and workers, for tests that are not asynchronous."""

    def __init__(self, loop: asyncio.AbstractEventLoop, environment: WorkflowEnvironment) -> None:
        self.loop = loop
        self.environment = environment
        self.client = environment.client

    def run(self, coroutine: Awaitable[Result], timeout: float = 30) -> Result:
        """Await the coroutine on the client's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def onboarding(self, user: User) -> WorkflowHandle:
        return self.client.get_workflow_handle(f"onboarding-{user.pk}")

    def result(self, handle: WorkflowHandle) -> object:
        """Wait for the end of a workflow, and return its result. Time is skipped meanwhile."""

        async def result() -> object:
            async with self.environment.time_skipping_unlocked():
                return await handle.result()

        return self.run(result())


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def skipping_server(loop: asyncio.AbstractEventLoop) -> Iterator[Temporal]:
    program_path = program("temporal-test-server")
    start = WorkflowEnvironment.start_time_skipping(test_server_existing_path=program_path)
    environment = asyncio.run_coroutine_threadsafe(start, loop).result(30)
    server = Temporal(loop, environment)
    yield server
    server.run(environment.shutdown())


@pytest.fixture
def temporal(skipping_server: Temporal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Temporal]:
    """The server that skips time: a day passes in some milliseconds. Django's client is its.

    It skips no more once a query or an update found no worker. Use `real_temporal` for that.
    """
    yield used_by_django(skipping_server, monkeypatch)
    skipping_server.run(terminate_all(skipping_server.client))


async def terminate_all(temporal: Client) -> None:
    """End what a test leaves behind: time is not skipped while a workflow waits for a worker."""
    request = ListOpenWorkflowExecutionsRequest(namespace=temporal.namespace)
    found = await temporal.workflow_service.list_open_workflow_executions(request)
    for workflow in found.executions:
        await temporal.get_workflow_handle(workflow.execution.workflow_id).terminate()


@pytest.fixture(scope="session")
def dev_server(tmp_path_factory, loop: asyncio.AbstractEventLoop) -> Iterator[Temporal]:
    port = free_port()
    process = start_dev_server(port, tmp_path_factory.mktemp("temporal") / "temporal.db")
    options = {"target_host": f"127.0.0.1:{port}", "namespace": "default"}
    try:
        yield Temporal(loop, WorkflowEnvironment.from_client(connected(loop, options)))
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def real_temporal(dev_server: Temporal, monkeypatch: pytest.MonkeyPatch) -> Temporal:
    """The development server, for what the other one lacks. Django's client is its."""
    return used_by_django(dev_server, monkeypatch)


@pytest.fixture
def workers(temporal: Temporal, transactional_db) -> Iterator[list[Worker]]:
    """The project's workers, on the test database and on the server that skips time."""
    yield from running_workers(temporal)


@pytest.fixture
def real_workers(real_temporal: Temporal, transactional_db) -> Iterator[list[Worker]]:
    """The project's workers, on the development server."""
    yield from running_workers(real_temporal)


def running_workers(temporal: Temporal) -> Iterator[list[Worker]]:
    async def start() -> tuple[list[Worker], list[asyncio.Task]]:
        workers = worker.create_workers(temporal.client)
        return workers, [asyncio.create_task(worker.run()) for worker in workers]

    async def stop(workers: list[Worker]) -> None:
        await asyncio.gather(*(worker.shutdown() for worker in workers))

    workers, tasks = temporal.run(start())
    yield workers
    temporal.run(stop(workers))
    for task in tasks:
        task.result()


def used_by_django(server: Temporal, monkeypatch: pytest.MonkeyPatch) -> Temporal:
    monkeypatch.setattr(client, "_client", server.client)
    monkeypatch.setattr(client, "_loop", server.loop)
    return server


@pytest.fixture
def user(db) -> User:
    """Somebody who has signed up; the mails are promised, nothing is started yet."""
    user = User.objects.create_user("ada@example.com", "difference-engine", name="Ada")
    Email.objects.create(user=user, kind=Email.WELCOME)
    Email.objects.create(user=user, kind=Email.FOLLOW_UP)
    return user


def start_dev_server(port: int, database: Path) -> subprocess.Popen:
    command = [program("temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    command += ["--port", str(port), "--db-filename", str(database), "--log-level", "never"]
    # At the first failure and not after five, which take a minute: see `test_pages.py`.
    problems = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1"
    command += ["--dynamic-config-value", problems]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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


def database_url() -> str:
    """The test database, for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    login = f"{database['USER']}:{database['PASSWORD']}"
    return f"postgres://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


def connected(loop: asyncio.AbstractEventLoop, options: dict) -> Client:
    """A client of a server that has just been started."""

    async def connect() -> Client:
        while True:
            try:
                return await Client.connect(**options)
            except (RuntimeError, RPCError):
                await asyncio.sleep(0.1)

    return asyncio.run_coroutine_threadsafe(connect(), loop).result(30)


def program(name: str) -> str:
    """The path of a program of the project's environment."""
    packages = str(Path(sys.executable).parent)
    if path := shutil.which(name) or shutil.which(name, path=packages):
        return path
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"There is no {name} here.")
    pytest.skip(f"There is no {name} here.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], Result], what: str, timeout: float = 20) -> Result:
    """Wait until the condition holds and return what it returned; fail after some seconds."""
    end = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(0.05)
    return result
