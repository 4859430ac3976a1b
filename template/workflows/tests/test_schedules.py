"""Schedules are written from code, and what an operator does to them stays."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import Schedule, ScheduleIntervalSpec, ScheduleSpec

from workflows import schedules

from .conftest import Temporal


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Schedule]:
    """The project's schedule under another id; a test may change it."""
    declared = {"test": schedules.declared()["sweep"]}
    monkeypatch.setattr(schedules, "declared", lambda: declared)
    return declared


@pytest.fixture
def temporal(real_temporal: Temporal, declared: dict[str, Schedule]):
    yield real_temporal
    for schedule_id in declared:
        real_temporal.run(real_temporal.client.get_schedule_handle(schedule_id).delete())


def test_it_creates_what_is_missing_and_repeats_nothing(temporal, declared):
    assert temporal.run(schedules.sync(temporal.client)) == ["test: created"]
    assert temporal.run(schedules.sync(temporal.client)) == []
    listed = temporal.run(temporal.client.get_schedule_handle("test").describe())
    assert listed.schedule.action.workflow == "SweepWorkflow"


def test_it_changes_what_differs_and_leaves_a_paused_one_paused(temporal, declared):
    temporal.run(schedules.sync(temporal.client))
    handle = temporal.client.get_schedule_handle("test")
    temporal.run(handle.pause(note="the mail provider asked us to"))

    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=5))])
    declared["test"] = replace(declared["test"], spec=spec)
    assert temporal.run(schedules.sync(temporal.client)) == ["test: changed its spec"]

    schedule = temporal.run(handle.describe()).schedule
    assert schedule.spec == spec
    assert schedule.state.paused
    assert schedule.state.note == "the mail provider asked us to"
    assert temporal.run(schedules.sync(temporal.client)) == []
