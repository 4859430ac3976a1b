"""Schedules: declared by apps, written to Temporal when a worker starts.

What an operator does to a schedule in Temporal's UI, such as pausing it, stays as it is; and so
does one that an operator has made.
"""

from datetime import timedelta

from django.apps import apps
from django.conf import settings
from temporalio import client as sdk

from .declarations import imported, workflow_name, wrong

# The memo of the schedules that are written here, and so are deleted once nobody declares them.
# Its value is the task queue, so that projects in one namespace leave each other's alone.
MEMO = "declared-for"


def declared() -> dict[str, sdk.Schedule]:
    """Return the schedules of all apps by their ids, which are also those of their workflows.

    Raises `ImproperlyConfigured` that names the app whose declaration is wrong.
    """
    found: dict[str, sdk.Schedule] = {}
    for app in apps.get_app_configs():
        for schedule_id, entry in getattr(app, "schedules", {}).items():
            if "workflow" not in entry:
                continue  # another backend's
            if schedule_id in found:
                raise wrong(app, "schedules", schedule_id, "another app has one of this name")
            if len(entry.get("cron", "").split()) != 5:
                raise wrong(app, "schedules", entry, "cron is not a line such as '0 4 * * *'")
            workflow = workflow_name(imported(app, "schedules", entry["workflow"]))
            if not workflow:
                raise wrong(app, "schedules", entry, "it has no @workflow.defn")
            found[schedule_id] = _schedule(schedule_id, workflow, entry["cron"])
    return found


async def sync(client: sdk.Client) -> list[str]:
    """Write the declared schedules to Temporal, and return a line for each change.

    Deletes those that were written earlier and are declared no more. Any number of workers may do
    so at the same time, and again and again.
    """
    changes = []
    schedules = declared()
    mine = {MEMO: settings.TEMPORAL_TASK_QUEUE}
    for schedule_id, schedule in schedules.items():
        try:
            await client.create_schedule(schedule_id, schedule, memo=mine)
            changes.append(f"{schedule_id}: created")
        except sdk.ScheduleAlreadyRunningError:
            if different := await _update(client, schedule_id, schedule):
                changes.append(f"{schedule_id}: changed its {' and '.join(different)}")
    async for listed in await client.list_schedules():
        if listed.id not in schedules and mine.items() <= dict(await listed.memo()).items():
            await client.get_schedule_handle(listed.id).delete()
            changes.append(f"{listed.id}: deleted")
    return changes


def _schedule(schedule_id: str, workflow: str, cron: str) -> sdk.Schedule:
    return sdk.Schedule(
        action=sdk.ScheduleActionStartWorkflow(
            workflow, id=schedule_id, task_queue=settings.TEMPORAL_TASK_QUEUE
        ),
        # The server turns the line into its own form, and keeps what stands behind # as a comment.
        spec=sdk.ScheduleSpec(
            cron_expressions=[f"{cron} # {cron}"], time_zone_name=settings.TIME_ZONE
        ),
        # After a time without a server, start it once and not once for each time that was missed.
        policy=sdk.SchedulePolicy(catchup_window=timedelta(minutes=1)),
    )


async def _update(client: sdk.Client, schedule_id: str, schedule: sdk.Schedule) -> list[str]:
    different: list[str] = []

    async def update(input: sdk.ScheduleUpdateInput) -> sdk.ScheduleUpdate | None:
        # Change the schedule as it is, and nothing else of it: a new one would not be paused.
        current = input.description.schedule
        of_both = {
            "spec": (_lines(current), _lines(schedule)),
            "policy": (current.policy, schedule.policy),
            "action": (_action(current), _action(schedule)),
        }
        different[:] = [name for name, (before, now) in of_both.items() if before != now]
        for name in different:
            setattr(current, name, getattr(schedule, name))
        return sdk.ScheduleUpdate(current) if different else None

    await client.get_schedule_handle(schedule_id).update(update)
    return different


def _lines(schedule: sdk.Schedule) -> tuple:
    """The cron lines and their time zone, in the server's form as well as in ours."""
    spec = schedule.spec
    lines = [line.partition("# ")[2] for line in spec.cron_expressions]
    return lines + [entry.comment for entry in spec.calendars], spec.time_zone_name


def _action(schedule: sdk.Schedule) -> tuple:
    action = schedule.action
    assert isinstance(action, sdk.ScheduleActionStartWorkflow)  # noqa: S101  (narrows the type)
    return action.workflow, action.id, action.task_queue
