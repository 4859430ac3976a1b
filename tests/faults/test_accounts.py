"""What accounts withstand: mail that is held up, strangers who guess, and what they write."""

import re
import time
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.db import IntegrityError, connection
from django.urls import reverse
from django.utils import timezone

from accounts.emails import FOLLOW_UP, RESET, WELCOME
from accounts.models import User, validate_name
from accounts.signup import sign_up, user_signed_up
from outbox.delivery import State, deliver, deliver_due
from outbox.models import Email
from outbox.promises import promise, retry

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


def link_in(message) -> str:
    """The path of the link in an e-mail."""
    return re.search(r"http://localhost:\d+(/\S+)", message.body)[1]


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def log_in(client, password, email="ada@example.com", address="192.0.2.1") -> int:
    form = {"username": email, "password": password}
    return client.post(reverse("accounts:login"), form, REMOTE_ADDR=address).status_code


def test_the_follow_up_is_promised_for_a_day_later():
    user = sign_up("ada@example.com", "Ada", "difference-engine").user

    follow_up = user.emails.get(kind=FOLLOW_UP)
    assert abs(follow_up.not_before - timezone.now() - timedelta(days=1)) < timedelta(minutes=1)
    assert follow_up.sent_at is None


def test_a_second_sign_up_promises_nothing(client):
    client.post(reverse("accounts:signup"), FORM)
    client.logout()

    client.post(reverse("accounts:signup"), FORM | {"email": "Ada@Example.com"})

    assert Email.objects.filter(kind=WELCOME).count() == 1


def test_who_is_logged_in_needs_no_login(client, user):
    client.force_login(user)
    assert client.get(reverse("accounts:login")).url == reverse("home")


def test_a_login_leads_to_where_it_was_asked_for(client, user):
    form = {"username": user.email, "password": "difference-engine"}
    page = client.get(reverse("accounts:login"), {"next": "/admin/"})
    assert "action" not in re.search(r'<form class="stacked"[^>]*>', page.content.decode())[0]
    assert client.post(page.wsgi_request.get_full_path(), form).url == "/admin/"


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
    page = client.get(link, follow=True).content.decode()
    assert "of no use any more" in page
    assert "<button" not in page.partition("<main")[2]


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


def test_a_link_that_is_old_or_not_ours_confirms_nothing(client, no_backend, settings):
    client.post(reverse("accounts:signup"), FORM)
    link = link_in(mail.outbox[0])
    forged = client.post(link.replace("/confirm/", "/confirm/x"))
    settings.PASSWORD_RESET_TIMEOUT = -1
    for answer in (forged, client.post(link)):
        assert answer.status_code == 410
        assert "Ask for a new password" in answer.content.decode()
    assert User.objects.get().email_confirmed_at is None


def test_a_new_password_waits_for_the_mail_server(client, user, mail_server_down):
    answer = client.post(reverse("accounts:reset"), {"email": user.email}, follow=True)
    assert "an e-mail with a link is on its way" in answer.content.decode()
    email = user.emails.filter(kind=RESET)
    wait_until(lambda: email.get().error)
    mail_server_down()
    retry(email)
    deliver_due()
    assert "A new password" in [message.subject for message in mail.outbox]


def test_strangers_have_three_new_passwords_sent_a_day(client, user):
    for reference in "123":
        promise([user.pk], RESET, reference=reference)
    client.post(reverse("accounts:reset"), {"email": user.email})
    assert user.emails.filter(kind=RESET).count() == 3
    user.emails.update(not_before=timezone.now() - timedelta(hours=25))
    client.post(reverse("accounts:reset"), {"email": user.email})
    wait_until(lambda: mail.outbox)


def test_a_login_that_many_addresses_guess_at_is_locked_until_a_new_password(
    client, user, settings
):
    settings.AXES_ENABLED = True
    for number in (24, 25):
        address = f"198.51.100.{number}"
        AccessAttempt.objects.create(
            username=user.email, ip_address=address, failures_since_start=number
        )
    assert log_in(client, "guess", address="198.51.100.1") == 429  # the fiftieth
    assert log_in(client, "difference-engine") == 429

    client.post(reverse("accounts:reset"), {"email": user.email})
    wait_until(lambda: mail.outbox)
    form = client.get(link_in(mail.outbox[0])).url
    client.post(form, {"new_password1": "nanosecond-wire", "new_password2": "nanosecond-wire"})
    assert log_in(client, "nanosecond-wire") == 302


def test_one_address_signs_up_so_many_users_in_an_hour(client, no_backend, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    def sign_up_from(address, number):
        headers = {"X-Forwarded-For": f"{number}.2.3.4, {address}"}  # anybody can write the first
        form = FORM | {"email": f"{number}@example.com"}
        return client.post(reverse("accounts:signup"), form, headers=headers).status_code

    assert [sign_up_from("192.0.2.1", number) for number in range(20)] == [302] * 20
    assert sign_up_from("192.0.2.1", 20) == 429
    assert sign_up_from("192.0.2.2", 20) == 302


@pytest.mark.parametrize(
    "name", ["Win at https://evil.example", "See evil.com", "<b>Ada</b>", "ada@evil", "A" * 61]
)
def test_a_name_carries_no_address_and_no_letter(client, name):
    answer = client.post(reverse("accounts:signup"), FORM | {"name": name})
    assert "no address such as" in answer.content.decode()
    validate_name("J. R. R. O'Neill-Müller Jr.")
