"""What the fixtures promise to the tests of any app, and recorded histories to its deployments."""

import asyncio
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError, WorkflowHistory
from temporalio.worker import Replayer, Worker
from temporalio.workflow import NondeterminismError

from workflows import fixtures, histories
from workflows.declarations import Declared
from workflows.emails import send_email
from workflows.onboarding.start import start_onboarding, workflow_id


@workflow.defn(name="Mistaken", sandboxed=False)  # this file imports pytest
class Mistaken:
    @workflow.run
    async def run(self) -> None:
        raise KeyError("a mistake in the code")


def test_a_mistake_in_a_workflow_fails_its_test_at_once(
    temporal, transactional_db, monkeypatch, settings
):
    work = Declared([Mistaken], [], [send_email])
    monkeypatch.setattr(fixtures, "declared", lambda: work)
    queue = settings.TEMPORAL_TASK_QUEUE
    with temporal.workers():
        temporal.run(temporal.client.start_workflow(Mistaken.run, id="mistaken", task_queue=queue))
        for wait in (
            lambda: temporal.result("mistaken", timeout=5),
            lambda: temporal.wait_until(lambda: False, "its effect", timeout=20),
        ):
            start = time.monotonic()
            with pytest.raises(WorkflowFailureError) as raised:
                wait()
            assert time.monotonic() - start < 5
            assert "a mistake in the code" in str(raised.value.cause)


def test_the_log_says_what_holds_a_workflow_up(temporal, transactional_db, user, caplog):
    @activity.defn(name="process_user")
    def fail(user_id: int) -> None:
        raise RuntimeError("the disk is full")

    with temporal.workers(fail):
        start_onboarding(user.pk)
        with pytest.raises(TimeoutError):
            temporal.result(workflow_id(user.pk), timeout=0.3)
        temporal.wait_until(lambda: "attempt 1" in caplog.text, "the log")
    assert f"process_user of {workflow_id(user.pk)} failed, attempt 1" in caplog.text
    assert "the disk is full" in caplog.text


def test_a_fake_of_no_activity_is_refused(temporal):
    with pytest.raises(ValueError, match="another_name"), temporal.workers(another_name):
        pass


@activity.defn
def another_name() -> None: ...


def test_the_clock_of_the_server_keeps_what_was_skipped(temporal):
    before = temporal.now()
    temporal.sleep_until(before + timedelta(weeks=3))
    temporal.sleep(timedelta(days=1))
    assert temporal.now() >= before + timedelta(days=22)


@pytest.mark.parametrize("which", ["one test", "the next"])
def test_each_test_has_a_server_of_its_own(temporal, transactional_db, user, which):
    """Whatever an earlier one did to its server's time, and whichever ids it used."""
    temporal.sleep(timedelta(days=1))
    assert start_onboarding(404)
    temporal.run(temporal.handle(workflow_id(404)).terminate())  # without a worker time stops here


def replay(history: WorkflowHistory, workflow_class: type) -> None:
    """Run the code along the history. Raises `NondeterminismError` where it does something else."""
    asyncio.run(Replayer(workflows=[workflow_class]).replay_workflow(history))


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
        replay(greeted, changed)


@pytest.mark.parametrize("changed", [Greeting, OneMoreStepForNewOnes])
def test_a_compatible_change_is_none(greeted: WorkflowHistory, changed: type):
    replay(greeted, changed)


def test_a_history_is_recorded_without_the_names_of_machines(
    temporal, workers, user, monkeypatch, settings, tmp_path, capsys
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
    assert str(settings.BASE_DIR) not in text
    assert histories.load(path).workflow_id == workflow_id(user.pk)

    path.write_text("kept")
    temporal.record(workflow_id(user.pk), "failed")
    temporal.record(workflow_id(user.pk), "failed-too")
    assert path.read_text() == "kept"
    assert (tmp_path / "UserOnboardingWorkflow.failed-too.json").read_text() == text


def test_an_unknown_workflow_is_named(temporal, greeted):
    with pytest.raises(CommandError, match=r"^nobody-1: .*not found"):
        call_command("record_history", "nobody-1")
    with pytest.raises(CommandError, match="No installed app declares the workflow Greeting"):
        call_command("record_history", "greeting")


def test_a_history_belongs_to_the_app_that_declares_its_workflow(settings):
    assert (
        histories.folder("SweepWorkflow").resolve()
        == settings.BASE_DIR / "workflows/tests/histories"
    )
