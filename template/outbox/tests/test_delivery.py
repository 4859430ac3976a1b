"""What `outbox.delivery` promises: none lost, none doubled."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from outbox import delivery
from outbox.delivery import State
from outbox.models import Email

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user():
    return User.objects.create_user("ada@example.com", name="Ada")


@pytest.fixture
def welcome(user):
    return Email.objects.create(user=user, kind=WELCOME)


def test_a_second_delivery_sends_nothing(user, welcome):
    assert delivery.deliver(user.pk, WELCOME).state is State.SENT
    assert delivery.deliver(user.pk, WELCOME).state is State.ALREADY_SENT
    assert len(mail.outbox) == 1


def test_an_email_is_not_sent_before_it_is_due(user):
    later = timezone.now() + timedelta(hours=1)
    Email.objects.create(user=user, kind=FOLLOW_UP, not_before=later)

    result = delivery.deliver(user.pk, FOLLOW_UP)

    assert result.state is State.WAITING
    assert 3500 < result.retry_in <= 3600
    assert mail.outbox == []


def test_the_command_sends_what_is_due(user, welcome, capsys):
    later = timezone.now() + timedelta(hours=1)
    Email.objects.create(user=user, kind=FOLLOW_UP, not_before=later)

    call_command("send_due_emails")

    assert capsys.readouterr().out == "1 e-mails sent.\n"
    assert [m.subject for m in mail.outbox] == ["Welcome!"]
