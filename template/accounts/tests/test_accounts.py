from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, connection
from django.urls import reverse
from django.utils import timezone

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from accounts.signup import sign_up, user_signed_up
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


def test_a_mail_server_that_is_down_delays_the_welcome_only(client, no_backend, mail_server_down):
    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].is_authenticated
    assert "your welcome e-mail follows" in answer.content.decode()
    assert Email.objects.get(kind=WELCOME).error.startswith("ConnectionRefusedError")


def test_an_error_of_ours_in_the_mail_does_not_undo_the_sign_up(client, no_backend, monkeypatch):
    monkeypatch.setattr("accounts.emails.welcome", lambda email: 1 / 0)

    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].is_authenticated
    assert "your welcome e-mail follows" in answer.content.decode()
    assert Email.objects.get(kind=WELCOME).error == "ZeroDivisionError: division by zero"


def test_a_backend_is_told_after_the_commit_and_may_fail(client):
    told = []

    def fail(user, **kwargs):
        told.append(user.email)
        raise ConnectionError("the broker is down")

    user_signed_up.connect(fail)
    try:
        answer = client.post(reverse("accounts:signup"), FORM, follow=True)
    finally:
        user_signed_up.disconnect(fail)

    assert told == ["ada@example.com"]
    assert "your welcome e-mail follows" in answer.content.decode()
    assert User.objects.filter(email="ada@example.com").exists()
    assert mail.outbox == []  # the backend's sweep sends it, not the request


def test_one_backend_that_takes_the_welcome_is_enough(client, no_backend):
    no_backend += [(None, True), (None, ConnectionError("the other one is down"))]

    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert "is on its way" in answer.content.decode()
    assert mail.outbox == []  # it was handed over


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


@pytest.mark.parametrize("lookalike", ["adm\u0131n@example.com", "admi\u207f@example.com"])
def test_an_address_that_only_looks_like_another_is_refused(client, lookalike):
    """`\u0131` is an i without its dot, which some databases take for one."""
    sign_up("admin@example.com", "Admin", "difference-engine")

    answer = client.post(reverse("accounts:signup"), FORM | {"email": lookalike})

    assert answer.context["form"].errors["email"]
    assert User.objects.count() == 1
    assert client.login(username="ADMIN@example.com", password="difference-engine")


def test_an_address_is_written_in_one_form_whoever_writes_it(client):
    user = sign_up("Ada@Example.com", "Ada", "difference-engine").user
    assert User.objects.get(email="ADA@example.COM") == user
    User.objects.filter(pk=user.pk).update(email="Grace@Example.com")
    assert User.objects.values_list("email", flat=True).get() == "grace@example.com"
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(email="GRACE@example.com", name="Grace")])


def test_a_slow_password_hash_does_not_keep_others_from_writing(monkeypatch):
    def look(user, password):
        assert not connection.in_atomic_block
        set_password(user, password)

    set_password = User.set_password
    monkeypatch.setattr(User, "set_password", look)
    sign_up("ada@example.com", "Ada", "difference-engine")


def test_every_admin_page_opens(admin_client):
    user = User.objects.create_user("ada@example.com", name="Ada")
    for page in [
        reverse("admin:accounts_user_changelist"),
        reverse("admin:accounts_user_add"),
        reverse("admin:accounts_user_change", args=[user.pk]),
    ]:
        assert admin_client.get(page).status_code == 200


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
