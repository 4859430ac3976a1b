"""The onboarding after a second start, and with e-mails that somebody else has seen to."""

import smtplib
import time

import pytest
from django.core import mail
from temporalio.client import WorkflowFailureError

from accounts.emails import WELCOME
from outbox import delivery
from outbox.models import Email
from workflows.onboarding.start import start_onboarding, workflow_id


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def test_a_second_start_changes_nothing_and_says_so(temporal, workers, user, caplog):
    assert start_onboarding(user.pk)
    assert "Nothing is started" not in caplog.text
    assert not start_onboarding(user.pk)
    assert f"Nothing is started: {workflow_id(user.pk)} runs already" in caplog.text
    temporal.result(workflow_id(user.pk))
    assert not start_onboarding(user.pk)
    assert sorted(subjects()) == ["How's it going?", "Welcome!"]


def test_a_day_takes_seconds(temporal, workers, user):
    start = time.monotonic()
    start_onboarding(user.pk)
    temporal.result(workflow_id(user.pk))
    assert time.monotonic() - start < 5


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
    with pytest.raises(WorkflowFailureError) as raised:
        temporal.result(workflow_id(user.pk))
    error = raised.value.cause.cause
    assert error.type == "EmailFailed"
    assert "welcome" in error.message
    assert Email.objects.get(kind=WELCOME).attempts == 1


def test_an_email_that_may_have_arrived_is_not_sent_again(temporal, workers, user):
    Email.objects.filter(kind=WELCOME).update(unanswered=delivery.MAX_UNANSWERED)
    start_onboarding(user.pk)
    with pytest.raises(WorkflowFailureError) as raised:
        temporal.result(workflow_id(user.pk))
    error = raised.value.cause.cause
    assert error.type == "EmailUnknown"
    assert "never said whether it took it" in error.message
    assert subjects() == []


def test_an_email_that_was_sent_otherwise_is_not_sent_again(temporal, workers, user):
    delivery.deliver(user.pk, WELCOME)
    start_onboarding(user.pk)
    temporal.result(workflow_id(user.pk))
    assert subjects() == ["Welcome!", "How's it going?"]
