"""Looks at a workflow from outside, for pages, and at its activities, for the log."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import ApplicationErrorCategory, CancelledError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from config.error_reports import without_passwords

from . import client

# Seconds for a worker's answer to a query, within the time of the whole request.
QUERY_TIMEOUT = 0.5

logger = logging.getLogger(__name__)


@dataclass
class Observation:
    """What can be said of a workflow."""

    # ``running``, ``completed``, ``failed``, ``canceled``, ``terminated`` or ``timed out``.
    status: str
    # What makes it stick: the same step of its code fails again and again, for example because its
    # input has another form than the code expects. It goes on once the code is corrected.
    problems: list[str]
    # Why it failed, if it did.
    failure: str = ""
    # The answer to the query; None if no worker gave one.
    answer: Any = None


def observe(workflow_id: str, query: Callable | None = None) -> Observation | None:
    """Return what Temporal knows of the workflow, or None if it knows no such workflow.

    Takes less than a second. Raises what `client.call` raises if Temporal does not answer.
    """
    return client.call(lambda temporal: _observe(temporal, workflow_id, query))


def status_name(execution: WorkflowExecution) -> str:
    """The workflow's status as in `Observation`."""
    return execution.status.name.lower().replace("_", " ") if execution.status else "unknown"


async def _observe(
    temporal: Client, workflow_id: str, query: Callable | None
) -> Observation | None:
    handle = temporal.get_workflow_handle(workflow_id)
    try:
        description = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    problems = description.search_attributes.get("TemporalReportedProblems", [])
    observation = Observation(status_name(description), [str(problem) for problem in problems])
    if description.status is WorkflowExecutionStatus.FAILED:
        observation.failure = await _failure(handle)
    elif query and description.status is WorkflowExecutionStatus.RUNNING:
        with contextlib.suppress(RPCError, TimeoutError, WorkflowQueryFailedError):
            async with asyncio.timeout(QUERY_TIMEOUT):
                observation.answer = await handle.query(query)
    return observation


async def _failure(handle: WorkflowHandle) -> str:
    try:
        await handle.result()
    except WorkflowFailureError as error:
        # The innermost one says what went wrong; those around it, where.
        cause: BaseException = error
        while cause.__cause__:
            cause = cause.__cause__
        return str(cause)
    return ""


class LogFailures(Interceptor):
    """Logs an error when an activity has failed for the 3rd, 10th, 30th, 100th, … time.

    The SDK warns of each attempt, which tells one that recovers from none that does not. A failure
    that is expected (`ApplicationErrorCategory.BENIGN`) stays out of the log here, too.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _LogFailures(next)


class _LogFailures(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except CancelledError:
            raise
        except Exception as error:
            info = activity.info()
            benign = getattr(error, "category", None) is ApplicationErrorCategory.BENIGN
            if not benign and info.attempt > 2 and str(info.attempt).strip("0") in ("1", "3"):
                logger.error(
                    "%s of %s has failed %d times. The last: %s",
                    info.activity_type,
                    info.workflow_id,
                    info.attempt,
                    without_passwords(f"{type(error).__name__}: {error}"),
                )
            raise
