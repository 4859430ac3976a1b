"""Looks at a workflow from outside, for pages."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import client

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution

# Seconds for a worker's answer to a query, within the time of the whole request.
QUERY_TIMEOUT = 0.5


@dataclass
class Observation:
    """What can be said of a workflow."""

    # ``running``, ``completed``, ``failed``, ``canceled``, ``terminated`` or ``timed out``.
    status: str
    # What makes it stick: the same step of its code fails again and again.
    problems: list[str]
    # The answer to the query; None if no worker gave one.
    answer: Any = None


def observe(workflow_id: str, query: Callable | None = None) -> Observation | None:
    """Return what Temporal knows of the workflow, or None if it knows no such workflow.

    Takes less than a second. Raises what `client.call` raises if Temporal does not answer.
    """
    return client.call(lambda temporal: _observe(temporal, workflow_id, query))


def status_name(execution: "WorkflowExecution") -> str:
    """The workflow's status as in `Observation`."""
    return execution.status.name.lower().replace("_", " ") if execution.status else "unknown"


async def _observe(
    temporal: "Client", workflow_id: str, query: Callable | None
) -> Observation | None:
    from temporalio.client import WorkflowExecutionStatus, WorkflowQueryFailedError
    from temporalio.service import RPCError, RPCStatusCode

    handle = temporal.get_workflow_handle(workflow_id)
    try:
        description = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    problems = description.search_attributes.get("TemporalReportedProblems", [])
    observation = Observation(status_name(description), [str(problem) for problem in problems])
    if query and description.status is WorkflowExecutionStatus.RUNNING:
        with contextlib.suppress(RPCError, TimeoutError, WorkflowQueryFailedError):
            async with asyncio.timeout(QUERY_TIMEOUT):
                observation.answer = await handle.query(query)
    return observation
