"""A Temporal client for Django's code, which is mostly synchronous.

    from workflows import client

    client.call(lambda temporal: temporal.start_workflow(…))

There is one client in a process, on an event loop in a thread of its own. It is made at the first
call, because its threads would not survive the fork of a web server.
"""

import asyncio
import atexit
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings

from .connection import why_unreachable

# The SDK is imported where it is used first: most processes import this, and few call Temporal.
if TYPE_CHECKING:
    from temporalio.client import Client

# Seconds that a call may take, for a request that somebody is waiting for.
TIMEOUT = 0.8
# Seconds after which `each` begins no other, so that the sweep has an end when Temporal is slow.
ENOUGH = 30
# What `call` raises if Temporal cannot be reached, refuses, or does not answer in time.
UNAVAILABLE = (ConnectionError, TimeoutError)

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Row = TypeVar("Row")

_loop: asyncio.AbstractEventLoop | None = None
_client: "Client | None" = None
_lock = threading.Lock()


def call(request: "Callable[[Client], Awaitable[Result]]", timeout: float | None = None) -> Result:
    """Await ``request(client)`` on the client's loop, and return its result.

    Waits at most ``timeout`` seconds (or `TIMEOUT`), as the SDK alone does not. Raises one of
    `UNAVAILABLE`, also where the server refuses, and what else the SDK raises for it.
    """
    from temporalio.client import Client  # before the time counts: it may take as long

    address = settings.TEMPORAL_API_OPTIONS["target_host"]
    timeout = timeout or TIMEOUT
    future = on_loop(_request(Client, request))
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise TimeoutError(f"Temporal at {address} did not answer within {timeout} s.") from None
    except RuntimeError as error:
        if not str(error).startswith("Failed client connect"):
            raise
        why = why_unreachable(error)
        raise ConnectionError(f"Temporal at {address} cannot be reached: {why}.") from None


def on_loop(coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
    """Let the client's loop run this."""
    global _loop
    with _lock:
        if _loop is None:
            atexit.register(time.sleep, 0.1)  # else the SDK may crash an end (sdk-python#300)
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="temporal-client", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(coroutine, _loop)


def start_once(workflow: Callable, input: Any, *, id: str, summary: str) -> bool:
    """Start a workflow, unless one with this id is running or has ended, and return whether.

    Call this after the commit: a worker may be faster. Raises what `call` does.
    """
    from temporalio.common import WorkflowIDReusePolicy
    from temporalio.exceptions import WorkflowAlreadyStartedError

    try:
        call(
            lambda temporal: temporal.start_workflow(
                workflow,
                input,
                id=id,
                task_queue=settings.TEMPORAL_TASK_QUEUE,
                # Also refused while it runs, so that "started now" can be told from "running".
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=summary,
            )
        )
    except WorkflowAlreadyStartedError:
        logger.info("Nothing is started: %s runs already, or ran before under this id.", id)
        return False
    return True


def each(rows: Iterable[Row], see_to: Callable[[Row], object]) -> None:
    """Call ``see_to`` for each row, for half a minute, whatever becomes of the ones before.

    Raises the first error in the end.
    """
    errors, end = [], time.monotonic() + ENOUGH
    for row in rows:
        if time.monotonic() > end:
            break
        try:
            see_to(row)
        except Exception as error:
            logger.warning("%s %s: %s", see_to.__name__, getattr(row, "pk", row), error)
            errors.append(error)
    if errors:
        raise errors[0]


def check() -> None:
    """Raise unless Temporal answers in time and has the project's namespace, for `/health/`."""
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    call(
        lambda temporal: temporal.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=temporal.namespace)
        )
    )


async def _request(sdk: "type[Client]", request: "Callable[[Client], Awaitable[Result]]") -> Result:
    from temporalio.service import RPCError

    global _client
    if _client is None:
        # Lazy: it connects at the first request, and again after one that could not.
        _client = await sdk.connect(**settings.TEMPORAL_API_OPTIONS, lazy=True)
    try:
        return await request(_client)
    except RPCError as error:
        raise ConnectionError(str(error)) from error
