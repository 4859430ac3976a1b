"""Temporal for the tests of any app: README.md, "Test your workflows".

Neither server is the developer's own. Workers use the test database and run in this process. A test
that asks for no fixture of this file reaches no Temporal at all.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio.api.workflowservice.v1 import (
    ListClosedWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsRequest,
)
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from workflows import client, histories, worker
from workflows.declarations import declared

Result = TypeVar("Result")


class Temporal:
    """A Temporal server, for tests that are not asynchronous."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        start: Callable[[], Awaitable[WorkflowEnvironment]],
    ) -> None:
        self.loop = loop
        self.start = start
        self.environment = self.run(start())
        # The runs that had failed when the test began.
        self.failed_before: set[str] = set()

    @property
    def client(self) -> Client:
        """The SDK's client."""
        return self.environment.client

    def run(self, coroutine: Awaitable[Result], timeout: float = 30) -> Result:
        """Await the coroutine on the client's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def handle(self, workflow_id: str) -> WorkflowHandle:
        """The SDK's handle of a workflow, to signal, query, describe, cancel or terminate it."""
        return self.client.get_workflow_handle(workflow_id)

    def result(self, workflow_id: str, timeout: float = 30) -> Any:
        """Wait for the workflow's end and return its result. Time is skipped meanwhile.

        Raises `WorkflowFailureError` with its cause if it failed, and `TimeoutError` that says what
        holds it up if it does not end.
        """

        async def result() -> Any:
            async with contextlib.AsyncExitStack() as stack:
                if self.environment.supports_time_skipping:
                    await stack.enter_async_context(self.environment.time_skipping_unlocked())
                return await asyncio.wait_for(self.handle(workflow_id).result(), timeout)

        try:
            return self.run(result(), timeout + 5)
        except WorkflowFailureError as error:
            cause: BaseException | None = error
            while cause := cause.__cause__:
                error.add_note(f"{type(cause).__name__}: {cause}")
            raise
        except TimeoutError:
            pending = self.run(self.handle(workflow_id).describe()).raw_description
            why = [
                f"{entry.activity_type.name}, attempt {entry.attempt}: {entry.last_failure.message}"
                for entry in pending.pending_activities
            ]
            raise TimeoutError(f"{workflow_id} did not end within {timeout} s. {why}") from None

    def wait_until(self, condition: Callable[[], Result], what: str, timeout: float = 20) -> Result:
        """Wait until the condition holds and return what it returned; no time is skipped.

        Fails after ``timeout`` seconds, and with its cause soon after a workflow has failed.
        """
        failed: dict[str, str] = {}
        end = time.monotonic() + timeout
        while not (result := condition()):
            if time.monotonic() > end:
                for workflow_id in failed.values():
                    self.result(workflow_id)
                pytest.fail(f"Waited {timeout} s in vain for {what}.")
            time.sleep(0.05)
            if not failed and (failed := self._failed()):
                end = min(end, time.monotonic() + 1)  # it may be what is waited for
        return result

    def now(self) -> datetime:
        """The server's clock. It keeps the time that was skipped, also by earlier tests."""
        return self.run(self.environment.get_current_time())

    def sleep(self, duration: timedelta, timeout: float = 30) -> None:
        """Let this time pass on the server. What becomes due meanwhile runs in its turn."""
        self.run(asyncio.wait_for(self.environment.sleep(duration), timeout), timeout + 5)

    def sleep_until(self, moment: datetime) -> None:
        """Let time pass on the server until then."""
        self.sleep(max(moment - self.now(), timedelta()))

    def record(self, workflow_id: str, name: str) -> None:
        """Record the workflow's history in its app, unless there is one of that name already.

        Delete the file to record it anew.
        """
        description = self.run(self.handle(workflow_id).describe())
        kind = description.workflow_type
        if not (histories.folder(kind) / f"{kind}.{name}.json").exists():
            self.run(histories.record(self.client, workflow_id, name))

    def used_by_django(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> "Temporal":
        """Lead Django's client here for the length of a test, to a task queue of its own."""
        settings.TEMPORAL_API_OPTIONS = {
            "target_host": self.client.service_client.config.target_host,
            "namespace": self.client.namespace,
        }
        settings.TEMPORAL_TASK_QUEUE = f"test-{uuid.uuid4()}"
        monkeypatch.setattr(client, "_client", self.client)
        monkeypatch.setattr(client, "_loop", self.loop)
        self.failed_before = set()
        self.failed_before = set(self._failed())
        return self

    def _failed(self) -> dict[str, str]:
        """The workflows that have failed in this test, by their runs."""
        request = ListClosedWorkflowExecutionsRequest(
            namespace=self.client.namespace,
            status_filter={"status": "WORKFLOW_EXECUTION_STATUS_FAILED"},
        )
        service = self.client.workflow_service
        found = self.run(service.list_closed_workflow_executions(request)).executions
        failed = {entry.execution.run_id: entry.execution.workflow_id for entry in found}
        return {run: name for run, name in failed.items() if run not in self.failed_before}

    def tidy_up(self) -> None:
        """End what a test leaves, and start afresh if time does not pass all the same."""

        async def terminate_all() -> None:
            request = ListOpenWorkflowExecutionsRequest(namespace=self.client.namespace)
            service = self.client.workflow_service
            for entry in (await service.list_open_workflow_executions(request)).executions:
                await self.handle(entry.execution.workflow_id).terminate()

        self.run(terminate_all())
        try:
            self.sleep(timedelta(seconds=1), timeout=1)
        except TimeoutError:
            self.run(self.environment.shutdown())
            self.environment = self.run(self.start())

    @contextlib.contextmanager
    def workers(self, *fakes: Callable, **options: Any) -> Iterator[list[Worker]]:
        """Run the project's workers, with ``fakes`` in the place of activities of the same names.

        An error in a workflow's code fails the workflow, and so its test, at once. In production it
        would wait for code that is corrected.
        """
        options = {"workflow_failure_exception_types": [Exception]} | options
        work = declared().with_fakes(*fakes)

        async def start() -> tuple[list[Worker], list[asyncio.Task]]:
            workers = worker.create_workers(self.client, work, **options)
            return workers, [asyncio.create_task(worker.run()) for worker in workers]

        async def stop(workers: list[Worker]) -> None:
            await asyncio.gather(*(worker.shutdown() for worker in workers))

        workers, tasks = self.run(start())
        try:
            yield workers
        finally:
            self.run(stop(workers))
        for task in tasks:
            task.result()


@pytest.fixture
def temporal(
    temporal_skipping_server: Temporal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Temporal]:
    """A server that skips time: a day passes in some milliseconds. Django's client is its.

    It has no schedules and lists no workflows, and it skips no more in a test that sends a query or
    an update without a worker, or terminates a workflow in an activity. `real_temporal` is for
    these.
    """
    yield temporal_skipping_server.used_by_django(settings, monkeypatch)
    temporal_skipping_server.tidy_up()


@pytest.fixture
def workers(temporal: Temporal, transactional_db: None) -> Iterator[list[Worker]]:
    """The project's workers, on the test database and on the server that skips time."""
    with temporal.workers() as workers:
        yield workers


@pytest.fixture
def real_temporal(
    temporal_dev_server: Temporal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Temporal:
    """A development server, for what the other one lacks. Django's client is its."""
    return temporal_dev_server.used_by_django(settings, monkeypatch)


@pytest.fixture
def real_workers(real_temporal: Temporal, transactional_db: None) -> Iterator[list[Worker]]:
    """The project's workers, on the development server."""
    with real_temporal.workers() as workers:
        yield workers


@pytest.fixture(scope="session")
def temporal_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The event loop of all clients and workers of the tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def temporal_skipping_server(temporal_loop: asyncio.AbstractEventLoop) -> Iterator[Temporal]:
    """Started once, by the first test that needs it."""
    path = program("temporal-test-server")
    yield from _running(
        temporal_loop,
        lambda: WorkflowEnvironment.start_time_skipping(test_server_existing_path=path),
    )


@pytest.fixture(scope="session")
def temporal_dev_server(temporal_loop: asyncio.AbstractEventLoop) -> Iterator[Temporal]:
    """Started once, by the first test that needs it."""
    path = program("temporal")
    # A stuck workflow is reported at the first failure and not after five, which take a minute.
    at_once = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1"
    yield from _running(
        temporal_loop,
        lambda: WorkflowEnvironment.start_local(
            dev_server_existing_path=path,
            dev_server_log_level="never",
            dev_server_extra_args=["--dynamic-config-value", at_once],
        ),
    )


def _running(
    loop: asyncio.AbstractEventLoop, start: Callable[[], Awaitable[WorkflowEnvironment]]
) -> Iterator[Temporal]:
    server = Temporal(loop, start)
    yield server
    server.run(server.environment.shutdown())


def program(name: str) -> str:
    """Return the path of a program of the project's environment, or skip the test (in CI: fail)."""
    packages = str(Path(sys.executable).parent)
    if path := shutil.which(name) or shutil.which(name, path=packages):
        return path
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"There is no {name} here.")
    pytest.skip(f"There is no {name} here.")
