"""Senders that die, hang or come together: one of them sends."""

from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
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


@pytest.fixture
def mail_server(monkeypatch):
    """A mail server that answers each message with the next of these errors, then accepts."""
    errors = []
    send = EmailMessage.send

    def answer(message, *args, **kwargs):
        if errors:
            raise errors.pop(0)
        return send(message, *args, **kwargs)

    monkeypatch.setattr(EmailMessage, "send", answer)
    return errors


def test_of_many_workers_one_sends(user):
    kinds = [WELCOME, FOLLOW_UP]
    Email.objects.bulk_create(Email(user=user, kind=kind) for kind in kinds)

    def work(kind):
        try:
            return delivery.deliver(user.pk, kind).state
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(work, kinds * 20))

    assert states.count(State.SENT) == 2
    assert sorted(m.subject for m in mail.outbox) == ["How's it going?", "Welcome!"]


def test_bringing_forward_does_not_shorten_a_lease(user, welcome, mail_server, monkeypatch):
    """Somebody is sending it at this moment."""
    seen = []

    def send(message):
        delivery.bring_forward(user.pk, WELCOME)
        seen.append(delivery.deliver(user.pk, WELCOME).state)

    monkeypatch.setattr(EmailMessage, "send", send)
    assert delivery.deliver(user.pk, WELCOME).state is State.SENT
    assert seen == [State.WAITING]


def test_a_sender_that_died_is_replaced_when_its_lease_is_over(user, welcome, mail_server):
    mail_server.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        delivery.deliver(user.pk, WELCOME)
    # As a kill leaves it: claimed, nobody there to settle it.
    Email.objects.update(claim="7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11", not_before=timezone.now())

    assert delivery.deliver(user.pk, WELCOME).state is State.SENT


def test_a_sender_that_lost_its_claim_does_not_settle_the_row(user, welcome, monkeypatch):
    def hang(message):
        Email.objects.update(claim="7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11")  # another took over
        raise SMTPServerDisconnected("at last")

    monkeypatch.setattr(EmailMessage, "send", hang)
    delivery.deliver(user.pk, WELCOME)

    welcome.refresh_from_db()
    assert str(welcome.claim) == "7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11"
