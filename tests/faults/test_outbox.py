"""What `outbox` makes of refusals, of mistakes in what apps write, and of users who get no mail."""

import re
from datetime import timedelta
from itertools import pairwise
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected
from uuid import uuid4

import pytest
from django.apps import apps
from django.core import mail
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from outbox import delivery, kinds, promises
from outbox.delivery import State
from outbox.models import Email
from outbox.promises import promise, retry

pytestmark = pytest.mark.django_db(transaction=True)

HELD = "held until the address is confirmed"


@pytest.fixture
def user():
    return User.objects.create_user("ada@example.com", name="Ada")


@pytest.fixture
def users():
    return [User.objects.create_user(f"{n}@example.com", name=f"User {n}") for n in range(3)]


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


def test_a_second_delivery_sends_nothing(user, welcome):
    assert delivery.deliver(user.pk, WELCOME).state is State.SENT
    assert delivery.deliver(user.pk, WELCOME).state is State.ALREADY_SENT
    assert len(mail.outbox) == 1


def test_one_that_was_read_before_somebody_else_sent_it_is_left_alone(user, welcome):
    """As a batch reads many, and comes to each later."""
    (email,) = delivery.due()
    assert delivery.deliver(user.pk, WELCOME).state is State.SENT
    assert delivery.send(email).state is State.ALREADY_SENT
    assert len(mail.outbox) == 1


def deactivate(user_id: int, kind: str) -> None:
    User.objects.filter(pk=user_id).update(is_active=False)


def change_address(user_id: int, kind: str) -> None:
    User.objects.filter(pk=user_id).update(email="eve@example.com", email_confirmed_at=None)


@pytest.mark.parametrize(
    "meanwhile", [promises.withdraw, delivery.bring_forward, deactivate, change_address]
)
def test_one_that_was_changed_since_it_was_read_is_left_alone(user, welcome, meanwhile):
    (email,) = delivery.due()
    meanwhile(user.pk, WELCOME)
    assert delivery.send(email).state is not State.SENT
    assert mail.outbox == []


def test_an_email_is_not_sent_before_it_is_due(user):
    later = timezone.now() + timedelta(hours=1)
    Email.objects.create(user=user, kind=FOLLOW_UP, not_before=later)

    result = delivery.deliver(user.pk, FOLLOW_UP)

    assert result.state is State.WAITING
    assert 3500 < result.retry_in <= 3600
    assert mail.outbox == []


def test_a_promise_given_twice_is_one(users):
    later = timezone.now() + timedelta(days=1)
    promise([user.pk for user in users], "welcome", not_before=later)
    promise([user.pk for user in users], "welcome")

    assert list(Email.objects.values_list("not_before", flat=True)) == [later] * 3


def test_what_has_not_left_can_be_withdrawn(users):
    promise([users[0].pk, users[1].pk], "welcome")
    promise([users[0].pk], "follow-up")
    assert promises.withdraw(users[1].pk, "welcome")
    assert not promises.withdraw(users[1].pk, "welcome")
    assert promises.withdraw_all("welcome") == 1
    assert promises.withdraw_all("welcome") == 0

    delivery.deliver_due()
    assert [message.subject for message in mail.outbox] == ["How's it going?"]
    assert promises.withdraw_all("follow-up") == 0


def test_one_that_was_tried_too_often_has_another_chance(admin_client, user, welcome):
    Email.objects.update(attempts=delivery.MAX_ATTEMPTS, failed_at=timezone.now())
    action = {"action": "run_again", "_selected_action": [welcome.pk]}
    admin_client.post(reverse("admin:outbox_email_changelist"), action)

    assert delivery.deliver(user.pk, WELCOME).state is State.SENT
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        SMTPRecipientsRefused({"ada@example.com": (550, b"no such user")}),
        SMTPDataError(554, b"rejected"),
    ],
)
def test_a_refusal_for_good_is_final(user, welcome, mail_server, refusal):
    mail_server.append(refusal)

    assert delivery.deliver(user.pk, WELCOME).state is State.FAILED
    assert delivery.deliver(user.pk, WELCOME).state is State.FAILED
    assert mail.outbox == []
    welcome.refresh_from_db()
    assert welcome.error.startswith(type(refusal).__name__)


def test_it_gives_up_in_the_end(user, welcome, mail_server):
    Email.objects.update(attempts=delivery.MAX_ATTEMPTS - 1)
    mail_server.append(SMTPServerDisconnected("still down"))

    assert delivery.deliver(user.pk, WELCOME).state is State.FAILED
    assert not delivery.due().exists()


def test_it_gives_up_also_if_each_attempt_kills_the_sender(user, welcome):
    Email.objects.update(attempts=delivery.MAX_ATTEMPTS, claim=uuid4())

    assert delivery.deliver_due() == 0
    assert delivery.deliver(user.pk, WELCOME).state is State.FAILED
    assert Email.objects.get().error == "Whoever sent it was killed."
    assert promises.retry(Email.objects.all()) == 1


def break_down(email):
    raise ZeroDivisionError("division by zero")


def good_news(email):
    return f"News {email.reference}", "There is some."


@pytest.fixture
def declare(monkeypatch):
    """Declares kinds of e-mail, as an app does in its config."""

    def declare(**emails):
        config = apps.get_app_config("outbox")
        paths = {kind: f"{__name__}.{writer.__name__}" for kind, writer in emails.items()}
        monkeypatch.setattr(config, "emails", paths, raising=False)

    return declare


def test_an_error_of_ours_is_raised_and_the_email_kept(user, declare):
    declare(broken=break_down)
    promise([user.pk], "broken")

    with pytest.raises(ZeroDivisionError):
        delivery.deliver(user.pk, "broken")

    assert Email.objects.get().error == "ZeroDivisionError: division by zero"
    assert delivery.deliver(user.pk, "broken").state is State.WAITING


def test_one_that_cannot_be_written_does_not_hold_up_the_others(user, declare):
    declare(broken=break_down, news=good_news)
    promise([user.pk], "broken")
    promise([user.pk], "news", reference="42")

    assert delivery.deliver_due() == 1

    assert [m.subject for m in mail.outbox] == ["News 42"]
    assert Email.objects.get(kind="broken").error == "ZeroDivisionError: division by zero"


def test_a_kind_that_no_app_declares_waits_until_one_does(user, declare):
    Email.objects.create(user=user, kind="news", reference="42")

    assert delivery.deliver_due() == 0
    assert delivery.deliver(user.pk, "news", "42").state is State.UNDECLARED
    assert Email.objects.get().attempts == 0

    declare(news=good_news)
    assert delivery.deliver_due() == 1


def test_an_email_has_a_reference_of_its_own(user, declare):
    declare(news=good_news)
    promise([user.pk], "news", reference="1")
    promise([user.pk], "news", reference="2")

    assert delivery.deliver(user.pk, "news", "2").state is State.SENT
    assert delivery.deliver(user.pk, "news", "3").state is State.FAILED
    assert delivery.deliver(user.pk, "news").state is State.FAILED
    assert [m.subject for m in mail.outbox] == ["News 2"]


def test_a_promise_that_was_never_given_fails(user):
    assert delivery.deliver(user.pk, WELCOME).state is State.FAILED


def test_a_delivery_inside_a_transaction_is_refused(user, welcome):
    with pytest.raises(RuntimeError), transaction.atomic():
        delivery.deliver(user.pk, WELCOME)
    assert mail.outbox == []


def test_each_copy_of_an_email_has_the_same_message_id(user, welcome):
    delivery.deliver(user.pk, WELCOME)
    # As a kill between the mail server's accept and the mark leaves it.
    Email.objects.update(sent_at=None, not_before=timezone.now())
    delivery.deliver(user.pk, WELCOME)

    first, second = (message.extra_headers["Message-ID"] for message in mail.outbox)
    assert first == second


def test_any_reference_gives_a_message_id_of_the_right_form(user):
    reference = "Größe 7 <x>"
    email = Email(pk=3, user=user, kind=WELCOME, reference=reference, not_before=timezone.now())
    header = kinds.compose(email).message()["Message-ID"]
    assert re.fullmatch(r"<[\w.-]+@[\w.-]+>", str(header), re.ASCII)


def test_a_deactivated_user_gets_nothing_also_later(user, welcome):
    User.objects.update(is_active=False)
    assert delivery.deliver_due() == 0
    User.objects.update(is_active=True)
    assert delivery.deliver(user.pk, WELCOME).state is State.FAILED
    welcome.refresh_from_db()
    assert welcome.error == "The user is deactivated."
    retry(Email.objects.all())  # as somebody can in the admin
    assert delivery.deliver_due() == 1


def test_an_address_that_is_not_confirmed_gets_only_what_may_come_before(user, declare):
    declare(news=good_news)
    User.objects.update(email_confirmed_at=None)
    promise([user.pk], WELCOME)
    promise([user.pk], "news", reference="42")
    assert delivery.deliver(user.pk, "news", "42").state is State.HELD
    assert delivery.deliver_due() == 1
    User.objects.get().confirm_email()
    assert delivery.deliver(user.pk, "news", "42").state is State.SENT


def test_the_database_keeps_it_single_with_and_without_a_reference(users):
    for reference in ("", "42"):
        Email.objects.create(user=users[0], kind="welcome", reference=reference)
        with pytest.raises(IntegrityError), transaction.atomic():
            Email.objects.create(user=users[0], kind="welcome", reference=reference)


def test_progress_is_counted(users):
    promises.promise([user.pk for user in users], "welcome")
    delivery.deliver(users[0].pk, "welcome")
    Email.objects.filter(user=users[1]).update(failed_at=timezone.now())
    last = Email.objects.filter(user=users[2])
    counts = {"promised": 3, "sent": 1, "failed": 1, "unknown": 0}
    assert promises.progress("welcome") == counts

    last.update(unanswered=2, claim=uuid4(), not_before=timezone.now() + timedelta(minutes=1))
    assert promises.progress("welcome") == counts  # the answer may still come
    last.update(not_before=timezone.now())
    assert delivery.deliver_due() == 0  # nobody is there to wait for it any more
    assert promises.progress("welcome") == counts | {"unknown": 1}
    assert set(promises.progress("welcome", "42").values()) == {0}


def test_the_list_says_what_became_of_each(admin_client, users):
    Email.objects.create(user=users[0], kind=WELCOME, sent_at=timezone.now())
    Email.objects.create(user=users[0], kind=WELCOME, reference="1", failed_at=timezone.now())
    held = User.objects.create_user("new@example.com", name="New", email_confirmed_at=None)
    promises.promise([held.pk], "follow-up")
    gone = Email.objects.create(user=users[0], kind="of-a-part-that-was-removed")

    page = admin_client.get(reverse("admin:outbox_email_changelist")).content.decode()
    for state in ("sent", "failed", "not declared by any installed app", HELD):
        assert f'<td class="field-state">{state}</td>' in page

    change = reverse("admin:outbox_email_change", args=[gone.pk])
    assert admin_client.get(change).status_code == 200


def test_bringing_forward_makes_it_due(user):
    later = timezone.now() + timedelta(hours=1)
    Email.objects.create(user=user, kind=FOLLOW_UP, not_before=later)

    delivery.bring_forward(user.pk, FOLLOW_UP)

    assert delivery.deliver(user.pk, FOLLOW_UP).state is State.SENT


def test_a_refusal_that_passes_is_tried_again_later_and_later(user, welcome, mail_server):
    waits = []
    for _ in range(4):
        mail_server.append(SMTPServerDisconnected("try later"))
        waits.append(delivery.deliver(user.pk, WELCOME).retry_in)
        Email.objects.update(not_before=timezone.now())

    assert waits[0] < 20
    assert all(later > earlier for earlier, later in pairwise(waits))
    assert delivery.deliver(user.pk, WELCOME).state is State.SENT
    welcome.refresh_from_db()
    assert welcome.error == ""


def test_who_finds_it_being_sent_looks_again_soon(user, welcome, monkeypatch):
    """As the other backend does at a sign-up: it has mostly left a moment later."""
    second = []
    monkeypatch.setattr(
        EmailMessage, "send", lambda message: second.append(delivery.deliver(user.pk, WELCOME))
    )

    assert delivery.deliver(user.pk, WELCOME).state is State.SENT

    assert second[0].state is State.WAITING
    assert second[0].retry_in <= 5
