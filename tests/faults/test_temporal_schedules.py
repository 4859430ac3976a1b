"""Schedules are written from what apps declare, and what an operator does to them stays."""

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleSpec

from workflows import schedules

SWEEP = "workflows.sweep.workflow.SweepWorkflow"


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch):
    """Lets the app declare these schedules and no others: a name and a cron line each."""

    def declare(**lines: str) -> None:
        entries = {name: {"workflow": SWEEP, "cron": cron} for name, cron in lines.items()}
        entries["of another backend"] = {"task": "home.tasks.nothing", "cron": "* * * * *"}
        for app in apps.get_app_configs():
            if hasattr(app, "schedules") or app.name == "workflows":
                monkeypatch.setattr(app, "schedules", {}, raising=False)
        monkeypatch.setattr(apps.get_app_config("workflows"), "schedules", entries)

    declare(test="0 4 * * 1-5")
    return declare


@pytest.fixture
def temporal(real_temporal):
    yield real_temporal

    async def delete_all() -> None:
        async for listed in await real_temporal.client.list_schedules():
            await real_temporal.client.get_schedule_handle(listed.id).delete()

    real_temporal.run(delete_all())


def test_what_is_missing_is_created_and_what_is_there_stays(temporal, declare, capsys):
    call_command("sync_temporal_schedules")
    call_command("sync_temporal_schedules")
    assert capsys.readouterr().out == "test: created\nNothing to change.\n"
    schedule = temporal.run(temporal.client.get_schedule_handle("test").describe()).schedule
    assert schedule.action.workflow == "SweepWorkflow"
    hours = schedule.spec.calendars[0].hour
    assert [hour.start for hour in hours] == [4]


def test_what_differs_is_changed_and_a_paused_one_stays_paused(temporal, declare):
    temporal.run(schedules.sync(temporal.client))
    handle = temporal.client.get_schedule_handle("test")
    temporal.run(handle.pause(note="the mail provider asked us to"))

    declare(test="30 6 * * *")
    assert temporal.run(schedules.sync(temporal.client)) == ["test: changed its spec"]

    schedule = temporal.run(handle.describe()).schedule
    assert [minute.start for minute in schedule.spec.calendars[0].minute] == [30]
    assert schedule.state.paused
    assert schedule.state.note == "the mail provider asked us to"
    assert temporal.run(schedules.sync(temporal.client)) == []


def test_an_action_that_differs_is_changed(temporal, declare, settings):
    """As when the workflow of a schedule, or the task queue of its workers, has another name."""
    temporal.run(schedules.sync(temporal.client))
    settings.TEMPORAL_TASK_QUEUE += "-renamed"
    assert temporal.run(schedules.sync(temporal.client)) == ["test: changed its action"]
    schedule = temporal.run(temporal.client.get_schedule_handle("test").describe()).schedule
    assert schedule.action.task_queue == settings.TEMPORAL_TASK_QUEUE


def test_a_schedule_runs_its_workflow(temporal, declare, transactional_db):
    temporal.run(schedules.sync(temporal.client))
    handle = temporal.client.get_schedule_handle("test")

    def ended() -> int:
        return temporal.run(handle.describe()).info.num_actions

    with temporal.workers():
        temporal.run(handle.trigger())
        temporal.wait_until(ended, "the workflow")
        [action] = temporal.run(handle.describe()).info.recent_actions
        assert temporal.result(action.action.workflow_id) == 0


def test_what_nobody_declares_any_more_is_deleted_but_not_an_operators(temporal, declare, settings):
    async def create(schedule_id: str, memo: dict | None) -> None:
        action = ScheduleActionStartWorkflow("Report", id=schedule_id, task_queue="reports")
        schedule = Schedule(action=action, spec=ScheduleSpec(cron_expressions=["@daily"]))
        await temporal.client.create_schedule(schedule_id, schedule, memo=memo)

    temporal.run(create("an operator's", None))
    temporal.run(create("another project's", {schedules.MEMO: "another-tasks"}))
    temporal.run(schedules.sync(temporal.client))

    async def ids() -> set[str]:
        return {listed.id async for listed in await temporal.client.list_schedules()}

    theirs = {"an operator's", "another project's"}
    temporal.wait_until(lambda: temporal.run(ids()) == {*theirs, "test"}, "the list")
    declare(other="0 4 * * *")
    changes = temporal.run(schedules.sync(temporal.client))

    assert changes == ["other: created", "test: deleted"]
    temporal.wait_until(lambda: temporal.run(ids()) == {*theirs, "other"}, "the list")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"workflow": SWEEP}, "cron is not a line"),
        ({"workflow": SWEEP, "cron": "every day"}, "cron is not a line"),
        ({"workflow": "home.views.start", "cron": "0 4 * * *"}, "it has no @workflow.defn"),
        ({"workflow": "home.Nothing", "cron": "0 4 * * *"}, "home.*Nothing"),
    ],
)
def test_a_wrong_declaration_names_its_app(monkeypatch, entry, why):
    monkeypatch.setattr(apps.get_app_config("home"), "schedules", {"x": entry}, raising=False)
    with pytest.raises(ImproperlyConfigured, match=rf"^home/apps.py: schedules = .*{why}"):
        schedules.declared()


def test_a_name_belongs_to_one_app(monkeypatch):
    taken = {"sweep": {"workflow": SWEEP, "cron": "0 4 * * *"}}
    monkeypatch.setattr(apps.get_app_config("home"), "schedules", taken, raising=False)
    with pytest.raises(ImproperlyConfigured, match="another app has one of this name"):
        schedules.declared()
