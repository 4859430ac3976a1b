"""The e-mails' tasks: the sweep without Redis, and the whole way with a real worker."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.signup import sign_up
from outbox.models import Email
from tasks.emails import send_due_emails
from tasks.fixtures import CeleryCommand, RedisServer, wait_until


@pytest.mark.django_db(transaction=True)
def test_the_sweep_sends_what_is_due_and_nothing_else(user, run_at_once):
    follow_up = Email.objects.filter(kind=FOLLOW_UP)
    follow_up.update(not_before=timezone.now() + timedelta(days=1))
    assert send_due_emails() == 1
    assert [message.subject for message in mail.outbox] == ["Welcome!"]

    follow_up.update(not_before=timezone.now())
    assert send_due_emails() == 1
    assert send_due_emails() == 0
    assert [message.subject for message in mail.outbox] == ["Welcome!", "How's it going?"]


def test_a_sign_up_sends_one_welcome(celery: CeleryCommand, redis_server: RedisServer):
    worker = celery.worker()
    sign_up("ada@example.com", "Ada", "difference-engine")
    wait_until(lambda: Email.objects.get(kind=WELCOME).sent_at, "the e-mail")
    [message] = celery.mails()
    assert "Subject: Welcome!" in message
    assert "To: ada@example.com" in message

    worker.wait_for("succeeded")
    assert redis_server.client.keys("celery-task-meta-*") == []  # its result is of no interest
    assert worker.stop() == 0
