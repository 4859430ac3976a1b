"""The tasks of e-mails while somebody else sends, and beside a slow mail server."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.core import mail
from django.utils import timezone

from accounts.emails import WELCOME
from accounts.models import User
from outbox.delivery import LEASE, UNANSWERED_WAIT, Delivery, State
from outbox.models import Email
from outbox.promises import promise
from outbox.smtp import ANSWER_TIMEOUT
from tasks import emails
from tasks.emails import send_email, send_welcome_email

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("run_at_once")]


@pytest.fixture
def user() -> User:
    """Somebody to whom the welcome alone is due."""
    user = User.objects.create_user("ada@example.com", name="Ada")
    promise([user.pk], WELCOME)
    return user


@pytest.fixture
def app(monkeypatch):
    """The config of an installed app, which may declare more for this test."""
    config = apps.get_app_config("tasks")
    monkeypatch.setattr(config, "emails", {}, raising=False)
    monkeypatch.setattr(config, "bulk_emails", {}, raising=False)
    return config


def test_while_somebody_else_sends_it_the_task_ends(user):
    lease = timezone.now() + timedelta(minutes=2)
    Email.objects.update(claim=uuid4(), not_before=lease)
    assert send_welcome_email(user.pk) == "somebody else is sending it"
    assert mail.outbox == []


@pytest.mark.parametrize("task", [send_welcome_email, send_email])
def test_no_task_ends_before_the_mail_servers_answer(task):
    assert task.queue == "mail"
    assert task.soft_time_limit > LEASE.total_seconds() + ANSWER_TIMEOUT
    assert task.time_limit > task.soft_time_limit


def test_a_late_second_copy_is_left_to_the_sweep(user, monkeypatch):
    late = Delivery(State.WAITING, retry_in=UNANSWERED_WAIT)
    monkeypatch.setattr(emails, "deliver", lambda *_: late)
    assert send_welcome_email(user.pk) == "waiting"
