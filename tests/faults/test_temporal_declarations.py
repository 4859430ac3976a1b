"""What a worker runs: what the apps declare, in one version of the code or another."""

import uuid
from types import ModuleType

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from temporal_processes import set_current_version
from temporalio import activity

from workflows.declarations import declared
from workflows.onboarding.start import start_onboarding, workflow_id


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch):
    """Lets the app `home` declare something for Temporal."""
    return lambda name, value: monkeypatch.setattr(
        apps.get_app_config("home"), name, value, raising=False
    )


def module(monkeypatch: pytest.MonkeyPatch, name: str, *members: object) -> None:
    """Make a module whose members are defined in it."""
    made = ModuleType(name)
    for member in members:
        member.__module__ = name
        setattr(made, member.__name__, member)
    monkeypatch.setitem(__import__("sys").modules, name, made)


@activity.defn(name="send_email")
def another_send_email() -> None: ...


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("workflows", "home.flows", "No module named 'home.flows'"),
        ("workflows", "home.views", "it has no @workflow.defn"),
        ("activities", "home.views", "it has no @activity.defn"),
        ("mail_activities", "home.steps", "activity send_email is declared already"),
        ("activities", "workflows.emails", "activity send_email is declared already"),
    ],
)
def test_a_wrong_declaration_names_its_app(declare, monkeypatch, name, value, why):
    module(monkeypatch, "home.steps", another_send_email)
    declare(name, [value])
    with pytest.raises(ImproperlyConfigured) as raised:
        declared()
    assert str(raised.value).startswith(("home/apps.py: ", "workflows/apps.py: "))
    assert why in str(raised.value)


def test_a_start_missing_that_is_not_there_names_its_app(declare):
    """And so the worker does not start, whether there is a server or not."""
    declare("start_missing", "home.views.nothing")
    with pytest.raises(ImproperlyConfigured, match=r"home/apps.py: start_missing = .*nothing"):
        call_command("run_temporal_worker")


def test_a_version_gets_work_once_it_is_the_current_one(
    real_temporal, transactional_db, user, settings
):
    settings.TEMPORAL_DEPLOYMENT_NAME = f"deployment-{uuid.uuid4()}"
    settings.TEMPORAL_BUILD_ID = "abc"

    def set_current(*version: str) -> str:
        assert not user.groups.exists()
        return set_current_version(real_temporal, settings.TEMPORAL_DEPLOYMENT_NAME, *version)

    with real_temporal.workers():
        start_onboarding(user.pk)
        # The version exists once its first poll has arrived.
        real_temporal.wait_until(
            lambda: "Successfully" in set_current("--build-id", "abc"), "the version to be known"
        )
        real_temporal.wait_until(user.groups.exists, "the work to be done")
        real_temporal.run(real_temporal.handle(workflow_id(user.pk)).terminate())


def test_without_versions_again(real_temporal, transactional_db, user, settings):
    settings.TEMPORAL_DEPLOYMENT_NAME = "shop"
    settings.TEMPORAL_BUILD_ID = "abc"
    known = ("shop", "--build-id", "abc")
    with real_temporal.workers():
        real_temporal.wait_until(
            lambda: "Successfully" in set_current_version(real_temporal, *known), "the version"
        )
        said = set_current_version(real_temporal, "shop", "--build-id", "never-deployed")
        assert "not found" in said
    settings.TEMPORAL_BUILD_ID = ""
    with real_temporal.workers():
        start_onboarding(user.pk)
        assert "Successfully" in set_current_version(real_temporal, "shop", "--unversioned")
        real_temporal.wait_until(user.groups.exists, "the work to be done")


@pytest.mark.parametrize(
    "command",
    [
        ["record_history", "onboarding-1"],
        ["sync_temporal_schedules"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_without_a_server_ends_with_one_line(command):
    with pytest.raises(CommandError, match=r"cannot be reached: nothing listens there\.$"):
        call_command(*command)
