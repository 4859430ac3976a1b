"""The management commands, against the development server."""

import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from workflows import histories, schedules
from workflows.onboarding.start import start_onboarding, workflow_id

from .conftest import running_workers, wait_until


def output(*command: str, **options) -> str:
    out = StringIO()
    call_command(*command, stdout=out, **options)
    return out.getvalue()


def test_sync_shows_what_it_changes(real_temporal, monkeypatch):
    schedule = schedules.declared()["sweep"]
    monkeypatch.setattr(schedules, "declared", lambda: {"shown": schedule})
    assert output("sync_temporal_schedules") == "shown: created\n"
    assert output("sync_temporal_schedules") == "Nothing to change.\n"
    real_temporal.run(real_temporal.client.get_schedule_handle("shown").delete())


def test_a_history_is_recorded_without_the_names_of_machines(
    real_temporal, real_workers, user, monkeypatch, tmp_path
):
    monkeypatch.setattr(histories, "FOLDER", tmp_path)
    user.emails.all().delete()  # so that it fails, with a stack trace
    start_onboarding(user.pk)
    handle = real_temporal.onboarding(user)
    wait_until(lambda: real_temporal.run(handle.describe()).close_time, "its end")
    path = tmp_path / "UserOnboardingWorkflow.failed.json"
    assert path.name in output("record_history", workflow_id(user.pk), "failed")
    text = path.read_text()
    assert real_temporal.client.identity not in text
    assert __file__.partition("workflows")[0] not in text
    assert histories.load(path).workflow_id == workflow_id(user.pk)


def test_an_unknown_workflow_is_named(real_temporal):
    with pytest.raises(CommandError, match="Temporal knows no workflow onboarding-404"):
        call_command("record_history", "onboarding-404")


@pytest.mark.parametrize(
    "command",
    [["record_history", "order-1"], ["sync_temporal_schedules"], ["set_current_temporal_version"]],
    ids=lambda command: command[0],
)
def test_a_server_that_is_down_is_one_line(command, settings):
    settings.TEMPORAL_BUILD_ID = "abc"
    with pytest.raises(CommandError, match=r"cannot be reached: nothing listens there\.$"):
        call_command(*command)


def test_a_version_gets_work_once_it_is_the_current_one(
    real_temporal, transactional_db, user, settings
):
    settings.TEMPORAL_DEPLOYMENT_NAME = f"deployment-{uuid.uuid4()}"
    settings.TEMPORAL_BUILD_ID = "abc"
    workers = running_workers(real_temporal)
    next(workers)
    start_onboarding(user.pk)

    def set_current() -> str:
        # The version exists once its first poll has arrived.
        assert not user.groups.exists()
        try:
            return output("set_current_temporal_version")
        except CommandError:
            return ""

    said = wait_until(set_current, "the version to be known")
    with pytest.raises(CommandError, match="'never-deployed' not found"):
        call_command("set_current_temporal_version", "never-deployed")
    assert said == f"{settings.TEMPORAL_DEPLOYMENT_NAME}: no version -> abc\n"
    wait_until(user.groups.exists, "the work to be done")
    real_temporal.run(real_temporal.onboarding(user).terminate())
    next(workers, None)
