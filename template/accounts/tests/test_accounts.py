import re
import time
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from accounts.signup import sign_up, user_signed_up
from outbox.delivery import State, deliver, deliver_due
from outbox.models import Email

FORM = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "password1": "difference-engine",
    "password2": "difference-engine",
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_backend(monkeypatch):
    """Receivers of the signal, but none that takes the welcome over."""
    answers = [(None, None)]
    monkeypatch.setattr(user_signed_up, "send_robust", lambda **_: answers)
    return answers


def test_without_a_backend_the_welcome_is_sent_in_the_request(client, no_backend):
    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].email == "ada@example.com"
    assert "is on its way" in answer.content.decode()
    assert [(m.subject, m.to) for m in mail.outbox] == [("Welcome!", ["ada@example.com"])]
    assert "Hi Ada Lovelace" in mail.outbox[0].body


def test_the_follow_up_is_promised_for_a_day_later():
    user = sign_up("ada@example.com", "Ada", "difference-engine").user

    follow_up = user.emails.get(kind=FOLLOW_UP)
    assert abs(follow_up.not_before - timezone.now() - timedelta(days=1)) < timedelta(minutes=1)
    assert follow_up.sent_at is None


def test_an_address_has_one_account_in_any_mix_of_cases(client):
    client.post(reverse("accounts:signup"), FORM)
    client.logout()

    answer = client.post(reverse("accounts:signup"), FORM | {"email": "Ada@Example.com"})

    assert "already exists" in answer.content.decode()
    assert User.objects.count() == 1
    assert Email.objects.filter(kind=WELCOME).count() == 1


def test_log_in_and_out(client):
    sign_up("ada@example.com", "Ada", "difference-engine")

    answer = client.post(
        reverse("accounts:login"),
        {"username": "ADA@example.com", "password": "difference-engine"},
        follow=True,
    )
    assert answer.context["user"].name == "Ada"

    assert client.get(reverse("accounts:login")).url == reverse("home")  # already logged in

    answer = client.post(reverse("accounts:logout"), follow=True)
    assert not answer.context["user"].is_authenticated


def test_staff_create_a_user_who_can_log_in(admin_client, client):
    admin_client.post(
        reverse("admin:accounts_user_add"),
        {
            "email": "grace@example.com",
            "name": "Grace",
            "usable_password": "true",
            "password1": "nanosecond-wire",
            "password2": "nanosecond-wire",
        },
    )
    assert client.login(username="grace@example.com", password="nanosecond-wire")


def link_in(message) -> str:
    """The path of the link in an e-mail."""
    return re.search(r"http://localhost:\d+(/\S+)", message.body)[1]


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_address_is_confirmed_by_a_button_before_other_mail_goes_there(client, no_backend):
    page = client.post(reverse("accounts:signup"), FORM, follow=True).content.decode()
    assert "Until then, you get no other." in page
    user = User.objects.get()
    Email.objects.filter(kind=FOLLOW_UP).update(not_before=timezone.now())
    assert deliver(user.pk, FOLLOW_UP).state is State.HELD
    assert deliver_due() == 0

    link = link_in(mail.outbox[0])
    for look in (client.get, client.head):  # as a program does that looks into e-mails
        assert look(link).status_code == 200
    assert deliver_due() == 0

    for _ in range(2):
        page = client.post(link, follow=True).content.decode()
        assert "ada@example.com is confirmed" in page
    assert "Until then, you get no other." not in page
    assert deliver_due() == 1


def test_who_forgot_the_password_chooses_another_by_a_link(client, no_backend):
    client.post(reverse("accounts:signup"), FORM)
    client.logout()
    reset = reverse("accounts:reset")
    known = client.post(reset, {"email": "ADA@example.com"}, follow=True).content.decode()
    wait_until(lambda: len(mail.outbox) == 2)
    assert mail.outbox[1].to == ["ada@example.com"]
    unknown = client.post(reset, {"email": "nobody@example.com"}, follow=True).content.decode()
    assert "an e-mail with a link is on its way" in known
    assert re.sub(r"\w{64}", "", known) == re.sub(r"\w{64}", "", unknown)  # but for CSRF tokens

    link = link_in(mail.outbox[1])
    form = client.get(link, follow=True).redirect_chain[-1][0]
    passwords = {"new_password1": "analytical-engine", "new_password2": "analytical-engine"}
    assert "Your password is changed" in client.post(form, passwords, follow=True).content.decode()
    assert client.login(username="ada@example.com", password="analytical-engine")
    assert User.objects.get().email_confirmed_at  # who has the link reads the mail
    assert "of no use any more" in client.get(link, follow=True).content.decode()


def log_in(client, password, email="ada@example.com", address="192.0.2.1") -> int:
    form = {"username": email, "password": password}
    return client.post(reverse("accounts:login"), form, REMOTE_ADDR=address).status_code


def test_a_login_that_is_guessed_at_is_locked(client, user, settings):
    settings.AXES_ENABLED = True
    guesses = ["ada@example.com", "ADA@example.com", "Ada@Example.com", "ada@example.com"]
    assert [log_in(client, "guess", email) for email in guesses] == [200] * 4
    assert log_in(client, "guess") == 429
    for page in ("accounts:login", "admin:login"):
        form = {"username": "aDa@example.com", "password": "difference-engine"}
        answer = client.post(reverse(page), form, REMOTE_ADDR="192.0.2.1")
        assert answer.status_code == 429
        assert "Try again in an hour" in answer.content.decode()
    assert log_in(client, "difference-engine", address="192.0.2.2") == 302  # its owner, elsewhere

    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=61))
    assert log_in(client, "difference-engine") == 302
