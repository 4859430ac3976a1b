from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts import emails
from accounts.models import Email, User
from accounts.signals import user_signed_up
from accounts.signup import sign_up

FORM = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "password1": "difference-engine",
    "password2": "difference-engine",
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receivers(monkeypatch):
    """The receivers of the signal: none, whatever backends are installed. Tests add theirs."""
    monkeypatch.setattr(user_signed_up, "receivers", [])
    user_signed_up.sender_receivers_cache.clear()
    yield user_signed_up
    user_signed_up.sender_receivers_cache.clear()


def test_without_a_backend_the_welcome_is_sent_in_the_request(client, receivers):
    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].email == "ada@example.com"
    assert "is on its way" in answer.content.decode()
    assert [(m.subject, m.to) for m in mail.outbox] == [("Welcome!", ["ada@example.com"])]
    assert "Hi Ada Lovelace" in mail.outbox[0].body


def test_the_follow_up_is_promised_for_a_day_later(receivers):
    user = sign_up("ada@example.com", "Ada", "difference-engine").user

    follow_up = user.emails.get(kind=Email.FOLLOW_UP)
    assert abs(follow_up.not_before - timezone.now() - timedelta(days=1)) < timedelta(minutes=1)
    assert follow_up.sent_at is None


def test_a_mail_server_that_is_down_delays_the_welcome_only(client, receivers, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there

    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].is_authenticated
    assert "your welcome e-mail follows" in answer.content.decode()
    assert Email.objects.get(kind=Email.WELCOME).error.startswith("ConnectionRefusedError")


def test_an_error_of_ours_in_the_mail_does_not_undo_the_sign_up(client, receivers, monkeypatch):
    monkeypatch.setitem(emails.writers, Email.WELCOME, lambda email: 1 / 0)

    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].is_authenticated
    assert "your welcome e-mail follows" in answer.content.decode()
    assert Email.objects.get(kind=Email.WELCOME).error == "ZeroDivisionError: division by zero"


def test_a_backend_is_told_after_the_commit_and_may_fail(client, receivers):
    told = []

    def fail(user, **kwargs):
        told.append(user.email)
        raise ConnectionError("the broker is down")

    receivers.connect(fail)
    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert told == ["ada@example.com"]
    assert "your welcome e-mail follows" in answer.content.decode()
    assert User.objects.filter(email="ada@example.com").exists()
    assert mail.outbox == []  # the backend's sweep sends it, not the request


def test_an_address_has_one_account_in_any_mix_of_cases(client, receivers):
    client.post(reverse("accounts:signup"), FORM)
    client.logout()

    answer = client.post(reverse("accounts:signup"), FORM | {"email": "Ada@Example.com"})

    assert "already exists" in answer.content.decode()
    assert User.objects.count() == 1
    assert len(mail.outbox) == 1


def test_log_in_and_out(client, receivers):
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
