"""The promises of the ledger: none lost, none doubled."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts import ledger
from accounts.ledger import State
from accounts.models import Email, User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user():
    return User.objects.create_user("ada@example.com", name="Ada")


@pytest.fixture
def welcome(user):
    return Email.objects.create(user=user, kind=Email.WELCOME)


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


def test_a_second_delivery_sends_nothing(user, welcome):
    assert ledger.deliver(user.pk, Email.WELCOME).state is State.SENT
    assert ledger.deliver(user.pk, Email.WELCOME).state is State.ALREADY_SENT
    assert len(mail.outbox) == 1


def test_of_many_workers_one_sends(user):
    kinds = [Email.WELCOME, Email.FOLLOW_UP]
    Email.objects.bulk_create(Email(user=user, kind=kind) for kind in kinds)

    def work(kind):
        try:
            return ledger.deliver(user.pk, kind).state
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(work, kinds * 20))

    assert states.count(State.SENT) == 2
    assert sorted(m.subject for m in mail.outbox) == ["How's it going?", "Welcome!"]


def test_an_email_is_not_sent_before_it_is_due(user):
    later = timezone.now() + timedelta(hours=1)
    Email.objects.create(user=user, kind=Email.FOLLOW_UP, not_before=later)

    delivery = ledger.deliver(user.pk, Email.FOLLOW_UP)

    assert delivery.state is State.WAITING
    assert 3500 < delivery.retry_in <= 3600
    assert mail.outbox == []


def test_bringing_forward_makes_it_due(user):
    later = timezone.now() + timedelta(hours=1)
    Email.objects.create(user=user, kind=Email.FOLLOW_UP, not_before=later)

    ledger.bring_forward(user.pk, Email.FOLLOW_UP)

    assert ledger.deliver(user.pk, Email.FOLLOW_UP).state is State.SENT


def test_bringing_forward_does_not_shorten_a_lease(user, welcome, mail_server, monkeypatch):
    """Somebody is sending it at this moment."""
    seen = []

    def send(message):
        ledger.bring_forward(user.pk, Email.WELCOME)
        seen.append(ledger.deliver(user.pk, Email.WELCOME).state)

    monkeypatch.setattr(EmailMessage, "send", send)
    assert ledger.deliver(user.pk, Email.WELCOME).state is State.SENT
    assert seen == [State.WAITING]


def test_a_sender_that_died_is_replaced_when_its_lease_is_over(user, welcome, mail_server):
    mail_server.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ledger.deliver(user.pk, Email.WELCOME)
    # As a kill leaves it: claimed, nobody there to settle it.
    Email.objects.update(claim="7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11", not_before=timezone.now())

    assert ledger.deliver(user.pk, Email.WELCOME).state is State.SENT


def test_a_sender_that_lost_its_claim_does_not_settle_the_row(user, welcome, monkeypatch):
    def hang(message):
        Email.objects.update(claim="7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11")  # another took over
        raise SMTPServerDisconnected("at last")

    monkeypatch.setattr(EmailMessage, "send", hang)
    ledger.deliver(user.pk, Email.WELCOME)

    welcome.refresh_from_db()
    assert str(welcome.claim) == "7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11"


def test_a_refusal_that_passes_is_tried_again_later_and_later(user, welcome, mail_server):
    waits = []
    for _ in range(4):
        mail_server.append(SMTPServerDisconnected("try later"))
        waits.append(ledger.deliver(user.pk, Email.WELCOME).retry_in)
        Email.objects.update(not_before=timezone.now())

    assert waits[0] < 20
    assert all(later > earlier for earlier, later in pairwise(waits))
    assert ledger.deliver(user.pk, Email.WELCOME).state is State.SENT
    welcome.refresh_from_db()
    assert welcome.error == ""


@pytest.mark.parametrize(
    "refusal",
    [
        SMTPRecipientsRefused({"ada@example.com": (550, b"no such user")}),
        SMTPDataError(554, b"rejected"),
    ],
)
def test_a_refusal_for_good_is_final(user, welcome, mail_server, refusal):
    mail_server.append(refusal)

    assert ledger.deliver(user.pk, Email.WELCOME).state is State.FAILED
    assert ledger.deliver(user.pk, Email.WELCOME).state is State.FAILED
    assert mail.outbox == []
    welcome.refresh_from_db()
    assert welcome.error.startswith(type(refusal).__name__)


def test_it_gives_up_in_the_end(user, welcome, mail_server):
    Email.objects.update(attempts=ledger.MAX_ATTEMPTS - 1)
    mail_server.append(SMTPServerDisconnected("still down"))

    assert ledger.deliver(user.pk, Email.WELCOME).state is State.FAILED
    assert not ledger.due().exists()


def test_an_error_of_ours_is_raised_and_the_email_kept(user):
    Email.objects.create(user=user, kind="unheard-of")

    with pytest.raises(KeyError):
        ledger.deliver(user.pk, "unheard-of")

    assert Email.objects.get().error == "KeyError: 'unheard-of'"
    assert ledger.deliver(user.pk, "unheard-of").state is State.WAITING


def test_a_promise_that_was_never_given_fails(user):
    assert ledger.deliver(user.pk, Email.WELCOME).state is State.FAILED


def test_a_delivery_inside_a_transaction_is_refused(user, welcome):
    with pytest.raises(RuntimeError), transaction.atomic():
        ledger.deliver(user.pk, Email.WELCOME)
    assert mail.outbox == []


def test_each_copy_of_an_email_has_the_same_message_id(user, welcome):
    ledger.deliver(user.pk, Email.WELCOME)
    # As a kill between the mail server's accept and the mark leaves it.
    Email.objects.update(sent_at=None, not_before=timezone.now())
    ledger.deliver(user.pk, Email.WELCOME)

    first, second = (message.extra_headers["Message-ID"] for message in mail.outbox)
    assert first == second


def test_the_command_sends_what_is_due(user, welcome, capsys):
    later = timezone.now() + timedelta(hours=1)
    Email.objects.create(user=user, kind=Email.FOLLOW_UP, not_before=later)

    call_command("send_due_emails")

    assert capsys.readouterr().out == "1 e-mails sent.\n"
    assert [m.subject for m in mail.outbox] == ["Welcome!"]
