"""Temporal for the tests of any app: README.md, "Test your workflows".

Neither server is the developer's own. Workers use the test database and run in this process. A test
that asks for no fixture of this file reaches no Temporal at all.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio.api.workflowservice.v1 import ListClosedWorkflowExecutionsRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from workflows import client, histories, worker
from workflows.declarations import declared

Result = TypeVar("Result")
STARTUP = timedelta(seconds=20)  # a server needs one, but not on a busy machine


class Temporal:
    """A Temporal server, for tests that are not asynchronous."""

    def __init__(self, environment: WorkflowEnvironment) -> None:
        self.environment = environment

    @property
    def client(self) -> Client:
        """The SDK's client."""
        return self.environment.client

    def run(self, coroutine: Coroutine[Any, Any, Result], timeout: float = 30) -> Result:
        """Await the coroutine on the client's loop."""
        return client.on_loop(coroutine).result(timeout)

    def handle(self, workflow_id: str) -> WorkflowHandle:
        """The SDK's handle of a workflow, to signal, query, describe, cancel or terminate it."""
        return self.client.get_workflow_handle(workflow_id)

    def result(self, workflow_id: str, timeout: float = 30) -> Any:
        """Wait for the workflow's end and return its result. Time is skipped meanwhile.

        Raises `WorkflowFailureError` with its cause if it failed. If it does not end, the worker's
        log says what holds it up.
        """

        async def result() -> Any:
            server = self.environment
            skips = server.supports_time_skipping
            async with server.time_skipping_unlocked() if skips else contextlib.nullcontext():
                return await asyncio.wait_for(self.handle(workflow_id).result(), timeout)

        return self.run(result(), timeout + 5)

    def wait_until(self, condition: Callable[[], Result], what: str, timeout: float = 20) -> Result:
        """Wait until the condition holds and return what it returned; no time is skipped.

        Fails after ``timeout`` seconds, and with its cause soon after a workflow has failed.
        """
        failed: list[str] = []
        end = time.monotonic() + timeout
        while not (result := condition()):
            if time.monotonic() > end:
                for workflow_id in failed:
                    self.result(workflow_id)
                pytest.fail(f"Waited {timeout} s in vain for {what}.")
            time.sleep(0.05)
            if not failed and (failed := self._failed()):
                end = min(end, time.monotonic() + 1)  # it may be what is waited for
        return result

    def now(self) -> datetime:
        """The server's clock, with the time that was skipped."""
        return self.run(self.environment.get_current_time())

    def sleep(self, duration: timedelta) -> None:
        """Let this time pass on the server. What becomes due meanwhile runs in its turn."""
        self.run(self.environment.sleep(duration))

    def sleep_until(self, moment: datetime) -> None:
        """Let time pass on the server until then."""
        self.sleep(max(moment - self.now(), timedelta()))

    def record(self, workflow_id: str, name: str) -> None:
        """Record the workflow's history in its app, unless there is one of that name already.

        Delete the file to record it anew.
        """
        kind = self.run(self.handle(workflow_id).describe()).workflow_type
        if not (histories.folder(kind) / f"{kind}.{name}.json").exists():
            self.run(histories.record(self.client, workflow_id, name))

    @contextlib.contextmanager
    def workers(self, *fakes: Callable, **options: Any) -> Iterator[None]:
        """Run the project's workers, with ``fakes`` in the place of activities of the same names.

        An error in a workflow's code fails the workflow, and so its test, at once. In production it
        would wait for code that is corrected.
        """
        options = {"workflow_failure_exception_types": [Exception]} | options
        work = declared().with_fakes(*fakes)
        running = contextlib.AsyncExitStack()

        async def start() -> None:
            for one in worker.create_workers(self.client, work, **options):
                await running.enter_async_context(one)

        self.run(start())
        try:
            yield
        finally:
            self.run(running.aclose())

    def _failed(self) -> list[str]:
        request = ListClosedWorkflowExecutionsRequest(
            namespace=self.client.namespace,
            status_filter={"status": "WORKFLOW_EXECUTION_STATUS_FAILED"},
        )
        found = self.run(self.client.workflow_service.list_closed_workflow_executions(request))
        return [entry.execution.workflow_id for entry in found.executions]


@pytest.fixture
def temporal(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Temporal]:
    """A server that skips time: a day passes in some milliseconds. Django's client is its.

    It has no schedules and lists no workflows, and it skips no more in a test that sends a query or
    an update without a worker, or terminates a workflow in an activity: see `real_temporal`.
    """
    starting = WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program("temporal-test-server"),
        test_server_startup_timeout=STARTUP,
    )
    yield from _used_by_django(starting, settings, monkeypatch)


@pytest.fixture
def real_temporal(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Temporal]:
    """A development server, for what the other one lacks. Django's client is its."""
    # A stuck workflow is reported at the first failure and not after five, which take a minute.
    at_once = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1"
    starting = WorkflowEnvironment.start_local(
        dev_server_existing_path=program("temporal"),
        dev_server_log_level="never",
        dev_server_startup_timeout=STARTUP,
        dev_server_extra_args=["--dynamic-config-value", at_once],
    )
    yield from _used_by_django(starting, settings, monkeypatch)


@pytest.fixture
def workers(temporal: Temporal, transactional_db: None) -> Iterator[None]:
    """The project's workers, on the test database and on the server that skips time."""
    with temporal.workers():
        yield


@pytest.fixture
def real_workers(real_temporal: Temporal, transactional_db: None) -> Iterator[None]:
    """The project's workers, on the development server."""
    with real_temporal.workers():
        yield


def _used_by_django(
    starting: Coroutine[Any, Any, WorkflowEnvironment],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Temporal]:
    temporal = Temporal(client.on_loop(starting).result())
    host = temporal.client.service_client.config.target_host
    settings.TEMPORAL_API_OPTIONS = {"target_host": host, "namespace": temporal.client.namespace}
    monkeypatch.setattr(client, "_client", temporal.client)
    monkeypatch.setattr(client, "TIMEOUT", 15)  # nobody waits for a page
    yield temporal
    temporal.run(temporal.environment.shutdown())


def program(name: str) -> str:
    """Return the path of a program of the project's environment, or skip the test (in CI: fail)."""
    packages = str(Path(sys.executable).parent)
    if path := shutil.which(name) or shutil.which(name, path=packages):
        return path
    if os.environ.get("CI"):
        pytest.fail(f"There is no {name} here.")
    pytest.skip(f"There is no {name} here.")
