"""The schedules: declared here, written to Temporal when a worker starts.

What an operator does to a schedule in Temporal's UI, such as pausing it, stays as it is.
"""

from datetime import timedelta

from django.conf import settings
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from .sweep.workflow import SweepWorkflow


def declared() -> dict[str, Schedule]:
    """Return the project's schedules by their ids."""
    return {
        "sweep": Schedule(
            action=ScheduleActionStartWorkflow(
                SweepWorkflow.run, id="sweep", task_queue=settings.TEMPORAL_TASK_QUEUE
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=1))]),
            # After a time without a server, sweep once and not once for each missed minute.
            policy=SchedulePolicy(catchup_window=timedelta(minutes=1)),
        )
    }


async def sync(client: Client) -> list[str]:
    """Create the declared schedules, or update them, and return a line for each change.

    Any number of workers may do so at the same time, and again and again.
    """
    changes = []
    for schedule_id, schedule in declared().items():
        try:
            await client.create_schedule(schedule_id, schedule)
            changes.append(f"{schedule_id}: created")
        except ScheduleAlreadyRunningError:
            if different := await _update(client, schedule_id, schedule):
                changes.append(f"{schedule_id}: changed its {' and '.join(different)}")
    return changes


async def _update(client: Client, schedule_id: str, schedule: Schedule) -> list[str]:
    different = []

    async def update(input: ScheduleUpdateInput) -> ScheduleUpdate | None:
        # Change the schedule as it is, and nothing else of it: a new one would not be paused.
        current = input.description.schedule
        different[:] = [
            name for name in ("spec", "policy") if getattr(current, name) != getattr(schedule, name)
        ]
        if await _action(client, current) != await _action(client, schedule):
            different.append("action")
        for name in different:
            setattr(current, name, getattr(schedule, name))
        return ScheduleUpdate(current) if different else None

    await client.get_schedule_handle(schedule_id).update(update)
    return different


async def _action(client: Client, schedule: Schedule) -> tuple:
    """What can be compared of an action: the server has its arguments as payloads."""
    action = schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)  # noqa: S101  (narrows the type)
    payloads = [
        arg if isinstance(arg, Payload) else (await client.data_converter.encode([arg]))[0]
        for arg in action.args
    ]
    return action.workflow, action.id, action.task_queue, payloads
