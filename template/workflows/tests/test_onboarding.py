"""`UserOnboardingWorkflow`: what a new user gets, and when."""

import smtplib
import time

import pytest
from django.core import mail
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from accounts import ledger
from accounts.models import Email, User
from accounts.signup import sign_up
from workflows.onboarding.start import start_onboarding

from .conftest import Temporal, wait_until
from .mail_servers import DownTwice


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def failure(temporal: Temporal, user: User) -> ApplicationError:
    """Why the user's onboarding failed."""
    with pytest.raises(WorkflowFailureError) as raised:
        temporal.result(temporal.onboarding(user))
    return raised.value.cause.cause


def test_a_sign_up_gets_a_welcome_and_a_day_later_a_follow_up(temporal, workers):
    signup = sign_up("ada@example.com", "Ada", "difference-engine")
    assert not signup.delayed
    wait_until(subjects, "the welcome")
    assert subjects() == ["Welcome!"]

    start = time.monotonic()
    temporal.result(temporal.onboarding(signup.user))
    assert time.monotonic() - start < 5
    assert subjects() == ["Welcome!", "How's it going?"]
    description = temporal.run(temporal.onboarding(signup.user).describe())
    assert (description.close_time - description.start_time).total_seconds() >= 24 * 60 * 60
    assert signup.user.groups.get().name == "Members"


def test_a_second_start_changes_nothing(temporal, workers, user):
    assert start_onboarding(user.pk)
    assert not start_onboarding(user.pk)
    temporal.result(temporal.onboarding(user))
    assert not start_onboarding(user.pk)
    assert sorted(subjects()) == ["How's it going?", "Welcome!"]


def test_a_mail_server_that_is_down_is_tried_again(temporal, workers, user, settings, monkeypatch):
    settings.EMAIL_BACKEND = f"{DownTwice.__module__}.DownTwice"
    monkeypatch.setattr(DownTwice, "refused", 0)
    # The ledger waits in real time, which no server can skip.
    monkeypatch.setattr(ledger.random, "uniform", lambda *_: 0.0)
    start_onboarding(user.pk)
    temporal.result(temporal.onboarding(user))
    assert subjects() == ["Welcome!", "How's it going?"]
    assert Email.objects.get(kind=Email.WELCOME).attempts == 3


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
    assert Email.objects.get(kind=Email.WELCOME).attempts == 1


def test_a_user_that_is_gone_fails_at_once(temporal, workers):
    start_onboarding(404)
    assert failure(temporal, User(pk=404)).type == "NoSuchUser"


def test_an_email_that_the_ledger_sent_is_not_sent_again(temporal, workers, user):
    ledger.deliver(user.pk, Email.WELCOME)
    start_onboarding(user.pk)
    temporal.result(temporal.onboarding(user))
    assert subjects() == ["Welcome!", "How's it going?"]
