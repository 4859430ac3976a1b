"""`UserOnboardingWorkflow`: what a new user gets, and when."""

import pytest
from django.core import mail
from temporalio.client import WorkflowFailureError

from accounts.signup import sign_up
from workflows.onboarding.start import start_onboarding, workflow_id


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def test_a_sign_up_gets_a_welcome_and_a_day_later_a_follow_up(temporal, workers):
    user = sign_up("ada@example.com", "Ada", "difference-engine").user
    temporal.wait_until(subjects, "the welcome")
    user.confirm_email()
    assert subjects() == ["Welcome!"]

    temporal.result(workflow_id(user.pk))
    assert subjects() == ["Welcome!", "How's it going?"]
    description = temporal.run(temporal.handle(workflow_id(user.pk)).describe())
    assert (description.close_time - description.start_time).total_seconds() >= 24 * 60 * 60
    assert user.groups.get().name == "Members"


def test_a_user_that_is_gone_fails_at_once(temporal, workers):
    start_onboarding(404)
    with pytest.raises(WorkflowFailureError) as raised:
        temporal.result(workflow_id(404))
    assert raised.value.cause.cause.type == "NoSuchUser"
