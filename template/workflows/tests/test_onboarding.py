"""`UserOnboardingWorkflow`: what a new user gets, and when."""

import smtplib
import time

import pytest
from django.core import mail
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from accounts.emails import WELCOME
from accounts.models import User
from accounts.signup import sign_up
from outbox import delivery
from outbox.models import Email
from workflows.fixtures import Temporal
from workflows.onboarding.start import start_onboarding, workflow_id


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def failure(temporal: Temporal, user: User) -> ApplicationError:
    """Why the user's onboarding failed."""
    with pytest.raises(WorkflowFailureError) as raised:
        temporal.result(workflow_id(user.pk))
    return raised.value.cause.cause


def test_a_sign_up_gets_a_welcome_and_a_day_later_a_follow_up(temporal, workers):
    user = sign_up("ada@example.com", "Ada", "difference-engine").user
    temporal.wait_until(subjects, "the welcome")
    user.confirm_email()
    assert subjects() == ["Welcome!"]

    start = time.monotonic()
    temporal.result(workflow_id(user.pk))
    assert time.monotonic() - start < 5
    assert subjects() == ["Welcome!", "How's it going?"]
    description = temporal.run(temporal.handle(workflow_id(user.pk)).describe())
    assert (description.close_time - description.start_time).total_seconds() >= 24 * 60 * 60
    assert user.groups.get().name == "Members"


def test_a_mail_server_that_is_down_is_tried_again(
    temporal, workers, user, mail_server_down, monkeypatch
):
    # The outbox waits in real time, which no server can skip.
    monkeypatch.setattr(delivery.random, "uniform", lambda *_: 0.001)
    start_onboarding(user.pk)
    temporal.wait_until(lambda: Email.objects.get(kind=WELCOME).attempts >= 2, "a second attempt")
    mail_server_down()
    temporal.result(workflow_id(user.pk))
    assert subjects() == ["Welcome!", "How's it going?"]


def test_an_address_that_is_refused_for_good_is_not_tried_again(
    temporal, workers, user, monkeypatch
):
    def refuse(*_):
        raise smtplib.SMTPRecipientsRefused({user.email: (550, b"no such user")})

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    start_onboarding(user.pk)
    error = failure(temporal, user)
    assert error.type == "EmailFailed"
    assert "welcome" in error.message
    assert Email.objects.get(kind=WELCOME).attempts == 1


def test_a_user_that_is_gone_fails_at_once(temporal, workers):
    start_onboarding(404)
    assert failure(temporal, User(pk=404)).type == "NoSuchUser"
