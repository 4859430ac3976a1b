"""Workflows that fail or get stuck on a real server, as the admin shows them."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from temporal_processes import wait_until  # `Temporal`'s gives up a second after a failure
from temporalio import activity
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    WorkflowHandle,
)
from temporalio.common import RetryPolicy

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from outbox.promises import promise
from workflows import failures
from workflows.fixtures import Temporal
from workflows.models import FailedWorkflow
from workflows.onboarding.start import start_onboarding, workflow_id
from workflows.onboarding.workflow import OnboardingInput, UserOnboardingWorkflow

LIST = reverse("admin:workflows_failedworkflow_changelist")


@pytest.fixture
def key() -> int:
    """Of a user who does not exist: the ids of workflows live as long as the server."""
    return uuid.uuid4().int % 10**9


@pytest.fixture
def page(admin_client) -> Callable[[], str]:
    return lambda: admin_client.get(f"{LIST}?failed=yes").content.decode()


@pytest.fixture
def press(admin_client) -> Callable[[str, str], str]:
    """Does this with a row, and returns what the page says."""

    def press(name: str, action: str) -> str:
        data = {"action": action, "_selected_action": [FailedWorkflow.objects.get(name=name).pk]}
        return admin_client.post(LIST, data, follow=True).content.decode()

    return press


def row(name: str) -> FailedWorkflow:
    failures.look()
    return FailedWorkflow.objects.get(name=name)


def start(temporal: Temporal, id: str, input: Any, **options: Any) -> WorkflowHandle:
    options |= {"id": id, "task_queue": settings.TEMPORAL_TASK_QUEUE}
    return temporal.run(temporal.client.start_workflow("UserOnboardingWorkflow", input, **options))


def test_one_that_failed_is_run_again_once(real_temporal, real_workers, page, press, key):
    name = workflow_id(key)
    start_onboarding(key)
    real_temporal.wait_until(lambda: name in page(), "the failure", timeout=2)
    press(name, "run_again")  # too early
    wait_until(lambda: row(name).times == 2, "the second failure")

    user = User.objects.create_user("mary@example.com", pk=key)
    promise([user.pk], WELCOME)
    promise([user.pk], FOLLOW_UP)
    page()
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(press, [name] * 2, ["run_again"] * 2))
    assert sorted("Run again. 1 of 1." in answer for answer in answers) == [False, True]
    handle = real_temporal.handle(name)
    real_temporal.run(handle.signal(UserOnboardingWorkflow.skip_wait))
    real_temporal.result(name)
    assert user.emails.filter(sent_at=None).count() == 0
    wait_until(lambda: row(name).state == "succeeded", "it to be settled")
    assert "nothing to do (succeeded meanwhile" in press(name, "run_again")
    assert LogEntry.objects.filter(change_message="Run again.").count() == 2


def test_one_that_is_stuck_goes_back_a_step_or_is_ended(
    real_temporal, transactional_db, page, press, key
):
    again, ended = f"again-{key}", f"ended-{key}"
    for name in (again, ended):
        start(real_temporal, name, {"user": "in another form"})
    with real_temporal.workers(workflow_failure_exception_types=[]):
        wait_until(lambda: again in page() and ended in page(), "both", timeout=30)
        assert row(again).how == row(ended).how == "stuck"
        press(again, "run_again")
        wait_until(lambda: row(again).times == 2, "it to be stuck again")
        press(ended, "give_up")
    status = real_temporal.run(real_temporal.handle(ended).describe()).status
    assert status.name == "TERMINATED"
    assert row(ended).state == "given up"
    assert again in page()
    assert ended not in page()
    real_temporal.run(real_temporal.handle(again).terminate())
    assert row(again).how == "terminated"


def test_a_retry_that_goes_on_is_no_failure_and_a_schedule_is_one_row(
    real_temporal, real_workers, press, key
):
    start(
        real_temporal,
        f"retried-{key}",
        OnboardingInput(key),
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_attempts=3),
    )
    minute = {"start_delay": timedelta(minutes=1)}
    late = {"execution_timeout": timedelta(seconds=0.5)}
    start(real_temporal, f"late-{key}", OnboardingInput(key), **minute, **late)
    action = ScheduleActionStartWorkflow(
        UserOnboardingWorkflow.run,
        OnboardingInput(key),
        id=f"run-{key}",
        task_queue=settings.TEMPORAL_TASK_QUEUE,
    )
    create = real_temporal.client.create_schedule
    schedule = real_temporal.run(create(f"schedule-{key}", Schedule(action, ScheduleSpec())))
    found = FailedWorkflow.objects.filter(name=f"schedule-{key}")
    for times in (1, 2):
        # Also while the schedule has not heard yet that its run before has failed.
        real_temporal.run(schedule.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL))
        wait_until(
            lambda times=times: failures.look() >= 0 and found.filter(times=times), "a failure"
        )
    press(f"schedule-{key}", "run_again")
    wait_until(lambda: row(f"schedule-{key}").times == 3, "the third")
    real_temporal.run(schedule.delete())

    find = FailedWorkflow.objects.filter(name__in=[f"retried-{key}", f"late-{key}"], state="failed")
    wait_until(lambda: failures.look() >= 0 and find.count() == 2, "both")
    assert dict(find.values_list("how", "times")) == {"failed": 1, "timed out": 1}


@activity.defn(name="process_user")
def fail(user_id: int) -> None:
    raise ConnectionError("redis://:secret@host")


def test_an_activity_that_keeps_failing_is_an_error_in_the_log(
    real_temporal, transactional_db, caplog, key, sentry
):
    with real_temporal.workers(fail):
        handle = start(real_temporal, f"failing-{key}", OnboardingInput(key))

        def said() -> list[str]:
            errors = [entry for entry in caplog.records if entry.levelname == "ERROR"]
            return [entry.getMessage() for entry in errors if f"failing-{key}" in entry.args]

        real_temporal.wait_until(said, "the error")
        info = real_temporal.run(handle.describe()).raw_description.pending_activities[0]
        assert info.attempt >= 3
        assert said() == [
            f"process_user of failing-{key} failed, attempt 3: ConnectionError: redis://…@host"
        ]
        (event,) = real_temporal.wait_until(lambda: sentry.errors, "its report")
        (error,) = event["exception"]["values"]
        assert error.keys() == {"type", "module", "stacktrace", "mechanism"}
        assert error["type"] == "ConnectionError"
        assert event["tags"] == {"workflow_id": f"failing-{key}"}
        real_temporal.run(handle.terminate())
