"""Workflows that are running can go on with the code of today.

If `test_the_code_of_today_replays` fails after your change, workflows that are running now would
get stuck with it. Keep the old way for them with `workflow.patched`: see README.md.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from temporalio import activity, workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, Worker
from temporalio.workflow import NondeterminismError

from workflows import histories
from workflows.declarations import declared
from workflows.onboarding.start import start_onboarding, workflow_id

# Of every app that declares a workflow.
WORKFLOWS = declared().workflows


def replay(history: WorkflowHistory, workflows: list[type]) -> None:
    """Run the code along the history. Raises `NondeterminismError` where it does something else."""
    asyncio.run(Replayer(workflows=workflows).replay_workflow(history))


@pytest.mark.parametrize("file", histories.recorded(), ids=lambda file: file.stem)
def test_the_code_of_today_replays(file: Path):
    replay(histories.load(file), WORKFLOWS)


@pytest.mark.parametrize("name", [histories.type_of(entry) for entry in WORKFLOWS])
def test_each_workflow_has_a_recorded_history(name: str):
    """Run the workflow, then: just record-history WORKFLOW_ID"""
    assert [file for file in histories.recorded() if file.name.startswith(f"{name}.")]


@activity.defn
async def greet() -> None: ...


@activity.defn
async def wave() -> None: ...


async def do(*steps) -> None:
    for step in steps:
        await workflow.execute_activity(step, start_to_close_timeout=timedelta(seconds=5))


@workflow.defn(name="Greeting", sandboxed=False)  # this file imports pytest
class Greeting:
    @workflow.run
    async def run(self) -> None:
        await do(greet, wave)


@workflow.defn(name="Greeting", sandboxed=False)
class OtherOrder:
    @workflow.run
    async def run(self) -> None:
        await do(wave, greet)


@workflow.defn(name="Greeting", sandboxed=False)
class OneMoreStep:
    @workflow.run
    async def run(self) -> None:
        await do(greet, wave, wave)


@workflow.defn(name="Greeting", sandboxed=False)
class OneMoreStepForNewOnes:
    @workflow.run
    async def run(self) -> None:
        await do(greet, wave)
        if workflow.patched("second-wave"):
            await do(wave)


@pytest.fixture
def greeted(temporal) -> WorkflowHistory:
    """What really happened with `Greeting`."""

    async def run() -> WorkflowHistory:
        async with Worker(
            temporal.client, task_queue="greetings", workflows=[Greeting], activities=[greet, wave]
        ):
            started = await temporal.client.start_workflow(
                Greeting.run, id="greeting", task_queue="greetings"
            )
            await started.result()
            return await started.fetch_history()

    return temporal.run(run())


@pytest.mark.parametrize("changed", [OtherOrder, OneMoreStep])
def test_an_incompatible_change_is_found(greeted: WorkflowHistory, changed: type):
    with pytest.raises(NondeterminismError):
        replay(greeted, [changed])


@pytest.mark.parametrize("changed", [Greeting, OneMoreStepForNewOnes])
def test_a_compatible_change_is_none(greeted: WorkflowHistory, changed: type):
    replay(greeted, [changed])


def test_a_history_is_recorded_without_the_names_of_machines(
    temporal, workers, user, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(histories, "folder", lambda workflow_type: tmp_path)
    user.emails.all().delete()  # so that it fails, with a stack trace
    start_onboarding(user.pk)
    with pytest.raises(Exception, match="Workflow execution failed"):
        temporal.result(workflow_id(user.pk))
    path = tmp_path / "UserOnboardingWorkflow.failed.json"
    call_command("record_history", workflow_id(user.pk), "failed")
    assert path.name in capsys.readouterr().out
    text = path.read_text()
    assert temporal.client.identity not in text
    assert __file__.partition("workflows")[0] not in text
    assert histories.load(path).workflow_id == workflow_id(user.pk)

    path.write_text("kept")
    temporal.record(workflow_id(user.pk), "failed")
    temporal.record(workflow_id(user.pk), "failed-too")
    assert path.read_text() == "kept"
    assert (tmp_path / "UserOnboardingWorkflow.failed-too.json").read_text() == text


def test_an_unknown_workflow_is_named(temporal, greeted):
    with pytest.raises(CommandError, match="Temporal knows no workflow nobody-1"):
        call_command("record_history", "nobody-1")
    with pytest.raises(CommandError, match="No installed app declares the workflow Greeting"):
        call_command("record_history", "greeting")


def test_a_history_belongs_to_the_app_that_declares_its_workflow():
    assert histories.folder("SweepWorkflow") == Path(__file__).parent / "histories"
