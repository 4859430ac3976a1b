import re

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.emails import FOLLOW_UP
from accounts.models import User
from accounts.signup import sign_up, user_signed_up
from outbox.delivery import State, deliver

FORM = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "password1": "difference-engine",
    "password2": "difference-engine",
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_backend(monkeypatch):
    """Receivers of the signal, but none that takes the welcome over."""
    monkeypatch.setattr(user_signed_up, "send_robust", lambda **_: [(None, None)])


def test_a_sign_up_is_welcomed(client):
    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].email == "ada@example.com"
    assert "is on its way" in answer.content.decode()
    assert [(m.subject, m.to) for m in mail.outbox] == [("Welcome!", ["ada@example.com"])]
    assert "Hi Ada Lovelace" in mail.outbox[0].body


def test_an_address_has_one_account_in_any_mix_of_cases(client, user):
    answer = client.post(reverse("accounts:signup"), FORM | {"email": "Ada@Example.com"})

    assert "already exists" in answer.content.decode()
    assert User.objects.count() == 1


def test_an_address_is_confirmed_before_other_mail_goes_there(client):
    user = sign_up("ada@example.com", "Ada", "difference-engine").user
    user.emails.filter(kind=FOLLOW_UP).update(not_before=timezone.now())
    assert deliver(user.pk, FOLLOW_UP).state is State.HELD

    link = re.search(r"http://localhost:\d+(/\S+)", mail.outbox[0].body)[1]
    assert "ada@example.com is confirmed" in client.post(link, follow=True).content.decode()
    assert deliver(user.pk, FOLLOW_UP).state is State.SENT


def test_log_in_and_out(client, user):
    login = {"username": "ADA@example.com", "password": "difference-engine"}
    answer = client.post(reverse("accounts:login"), login, follow=True)
    assert answer.context["user"].name == "Ada"

    answer = client.post(reverse("accounts:logout"), follow=True)
    assert not answer.context["user"].is_authenticated
