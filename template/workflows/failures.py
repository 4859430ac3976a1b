"""Workflows that failed or are stuck: what Temporal says of them, as rows for the admin."""

import json
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

from django.db.models import F, Max

from . import client
from .models import FailedWorkflow
from .observe import status_name

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution, WorkflowHandle

State = FailedWorkflow.State

ENDED = 'ExecutionStatus IN ("Failed", "TimedOut", "Terminated")'
# The same step of its code fails again and again.
STUCK = 'ExecutionStatus = "Running" AND TemporalReportedProblems IS NOT NULL'
# How far back a look goes: a server may list an end late.
OVERLAP = timedelta(hours=1)
# Rows of which one look asks whether they went on.
BATCH = 100
# Seconds for a decision.
TIMEOUT = 5


def look(timeout: float | None = None) -> int:
    """Bring the rows up to date, and return how many workflows run. Raises what `client.call` does.

    A run that another one followed, by a retry or from Temporal's UI, is not a failure.
    """
    newest = FailedWorkflow.objects.aggregate(newest=Max("last_failed_at"))["newest"]
    since = (newest or datetime(2000, 1, 1, tzinfo=UTC)) - OVERLAP
    waiting = FailedWorkflow.objects.filter(state__in=[State.FAILED, State.AGAIN])
    # First those that run again: others wait for somebody's decision anyhow.
    names = list(waiting.order_by("-state").values_list("name", flat=True)[:BATCH])
    failed, later, count = client.call(lambda temporal: _ask(temporal, since, names), timeout)
    by_start = attrgetter("start_time")
    alive = {run.id: run.start_time for run in sorted(later, key=by_start)}
    last = {run.id: run for run in sorted(failed, key=by_start)}
    for run in last.values():
        if run.id not in alive or alive[run.id] <= run.start_time:
            _record(run)
    stuck = [run.run_id for run in failed if status_name(run) == "running"]
    FailedWorkflow.objects.filter(state=State.FAILED, how="stuck").exclude(run_id__in=stuck).update(
        state=State.SUCCEEDED, how="went on"
    )
    for run in later:
        before = waiting.filter(name=_name(run), started_at__lt=run.start_time)
        if status_name(run) == "completed":
            before.update(state=State.SUCCEEDED)
        elif _name(run) == run.id:  # a schedule's next run says nothing before its end
            before.update(state=State.AGAIN)
    return count


def work() -> dict[str, int]:
    """Count what failed, and if Temporal answers, what runs."""
    try:
        running = {"open": look()}
    except client.UNAVAILABLE:
        running = {}
    return {"failed": FailedWorkflow.objects.filter(state=State.FAILED).count()} | running


def run_again(row: FailedWorkflow) -> None:
    """Start it again with the same id and input; one that is stuck goes back to its last step.

    Raises what `client.call` does, also if it runs already or has succeeded meanwhile.
    """
    step = _reset if row.how == "stuck" else _start
    client.call(lambda temporal: step(temporal, row), TIMEOUT)


def give_up(row: FailedWorkflow) -> None:
    """End a workflow that is stuck. Raises what `client.call` does."""
    if row.how == "stuck":
        why = "Given up in the admin"
        client.call(lambda temporal: _handle(temporal, row).terminate(reason=why), TIMEOUT)


async def _ask(
    temporal: "Client", since: datetime, names: list[str]
) -> "tuple[list[WorkflowExecution], list[WorkflowExecution], int]":
    from temporalio.service import RPCError, RPCStatusCode

    ended = f'({ENDED} AND CloseTime > "{since.isoformat()}")'
    try:
        failed = [run async for run in temporal.list_workflows(f"{ended} OR ({STUCK})", limit=1000)]
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            raise
        # An older server does not say what is stuck.
        failed = [run async for run in temporal.list_workflows(ended, limit=1000)]
    all_names = [*names, *(_name(run) for run in failed[:BATCH])]
    known = ", ".join(json.dumps(name, ensure_ascii=False) for name in all_names)
    alive = 'ExecutionStatus IN ("Running", "Completed")'
    query = f"(WorkflowId IN ({known}) OR TemporalScheduledById IN ({known})) AND {alive}"
    later = [run async for run in temporal.list_workflows(query, limit=1000)] if known else []
    return failed, later, (await temporal.count_workflows('ExecutionStatus = "Running"')).count


def _name(run: "WorkflowExecution") -> str:
    schedule = run.search_attributes.get("TemporalScheduledById")
    return str(schedule[0]) if schedule else run.id


def _record(run: "WorkflowExecution") -> None:
    stuck = status_name(run) == "running"
    failed_at = run.close_time or datetime.now(UTC)
    fields = {
        "workflow_id": run.id,
        "run_id": run.run_id,
        "type": run.workflow_type,
        "how": "stuck" if stuck else status_name(run),
        "started_at": run.start_time,
        "last_failed_at": failed_at,
        "state": State.FAILED,
    }
    first = fields | {"first_failed_at": failed_at}
    row, is_new = FailedWorkflow.objects.get_or_create(name=_name(run), defaults=first)
    rows = FailedWorkflow.objects.filter(pk=row.pk)
    if is_new or rows.filter(started_at__lt=run.start_time).update(times=F("times") + 1, **fields):
        return
    # The same run, which was stuck before, or is so again.
    same = rows.filter(run_id=run.run_id).exclude(state=State.GIVEN_UP)
    same.exclude(how=fields["how"]).update(**fields)


def _handle(temporal: "Client", row: FailedWorkflow) -> "WorkflowHandle":
    return temporal.get_workflow_handle(row.workflow_id, run_id=row.run_id)


async def _start(temporal: "Client", row: FailedWorkflow) -> None:
    from temporalio.api.enums.v1 import WorkflowIdReusePolicy
    from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

    first = await anext(_handle(temporal, row).fetch_history_events(page_size=1))
    old = first.workflow_execution_started_event_attributes
    await temporal.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_id=row.workflow_id,
            # Temporal itself lets one start through, and none after a success.
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
            request_id=row.run_id,
            identity=temporal.identity,
            workflow_type=old.workflow_type,
            task_queue=old.task_queue,
            input=old.input,
            header=old.header,
            memo=old.memo,
            search_attributes=old.search_attributes,
            retry_policy=old.retry_policy if old.HasField("retry_policy") else None,
            workflow_execution_timeout=old.workflow_execution_timeout,
            workflow_run_timeout=old.workflow_run_timeout,
            workflow_task_timeout=old.workflow_task_timeout,
            user_metadata=first.user_metadata,
        )
    )


async def _reset(temporal: "Client", row: FailedWorkflow) -> None:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.enums.v1 import EventType
    from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

    step = 0
    async for event in _handle(temporal, row).fetch_history_events():
        # The last step that was done is done again; if there is none, the first.
        first = event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED and not step
        if first or event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            step = event.event_id
    await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=row.workflow_id, run_id=row.run_id),
            reason="Run again in the admin",
            workflow_task_finish_event_id=step,
            request_id=row.run_id,
            identity=temporal.identity,
        )
    )
