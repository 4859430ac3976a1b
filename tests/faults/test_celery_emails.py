"""The tasks of e-mails while somebody else sends, and beside a mail server that is slow or down."""

from datetime import timedelta
from uuid import uuid4

import pytest
from celery.exceptions import Retry
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
from tasks.emails import send_due_emails, send_email, send_welcome_email

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


def letter(email: Email) -> tuple[str, str]:
    return f"{email.kind} {email.reference}", ""


def send_welcome_email_again(user: User, retries: int) -> str:
    """What a worker does after so many retries."""
    send_welcome_email.push_request(
        args=(user.pk,), retries=retries, is_eager=True, called_directly=False
    )
    try:
        return send_welcome_email.run(user.pk)
    finally:
        send_welcome_email.pop_request()


def test_a_redelivered_task_sends_nothing(user):
    assert send_welcome_email(user.pk) == "sent"
    assert send_welcome_email(user.pk) == "already sent"
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_a_deleted_user_ends_the_task(user):
    pk = user.pk
    user.delete()
    assert send_welcome_email(pk) == "failed"


def test_while_the_mail_server_is_down_the_delays_grow(user, mail_server_down):
    delays = []
    for retries in range(5):
        with pytest.raises(Retry) as retry:
            send_welcome_email_again(user, retries)
        delays.append(retry.value.when)
        Email.objects.update(not_before=timezone.now())

    # Each is twice the one before, give or take a quarter so that not all come at once.
    for delay, expected in zip(delays, [15, 30, 60, 120, 240], strict=True):
        assert expected * 0.7 < delay < expected * 1.3
    assert len(set(delays)) == 5
    assert mail.outbox == []


def test_after_the_last_retry_the_sweep_goes_on(user, mail_server_down):
    assert send_welcome_email_again(user, retries=5) == "waiting"

    mail_server_down()
    Email.objects.update(not_before=timezone.now())
    assert send_due_emails() == 1
    assert len(mail.outbox) == 1


def test_the_sweep_sends_each_reference_and_leaves_bulk_to_others(user, app):
    app.emails["invoice"] = app.bulk_emails["newsletter"] = f"{__name__}.letter"
    promise([user.pk], "invoice", reference="1")
    promise([user.pk], "invoice", reference="2")
    promise([user.pk], "newsletter", reference="3")

    assert send_due_emails() == 3
    subjects = [message.subject for message in mail.outbox]
    assert subjects == ["Welcome!", "invoice 1", "invoice 2"]


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
