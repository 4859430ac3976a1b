"""The e-mails' tasks, without Redis and a worker."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.emails import FOLLOW_UP
from outbox.models import Email
from tasks.emails import send_due_emails, send_welcome_email

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("run_at_once")]


def test_a_redelivered_task_sends_nothing(user):
    assert send_welcome_email(user.pk) == "sent"
    assert send_welcome_email(user.pk) == "already sent"
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_the_sweep_sends_what_is_due_and_nothing_else(user):
    follow_up = Email.objects.filter(kind=FOLLOW_UP)
    follow_up.update(not_before=timezone.now() + timedelta(days=1))
    assert send_due_emails() == 1
    assert [message.subject for message in mail.outbox] == ["Welcome!"]

    follow_up.update(not_before=timezone.now())
    assert send_due_emails() == 1
    assert send_due_emails() == 0
    assert [message.subject for message in mail.outbox] == ["Welcome!", "How's it going?"]


def test_a_deleted_user_ends_the_task(user):
    pk = user.pk
    user.delete()
    assert send_welcome_email(pk) == "failed"
