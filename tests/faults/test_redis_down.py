"""Whatever state Redis is in, a sign-up stands, does not wait, and gets its e-mail later."""

import time
from collections.abc import Callable

import pytest
from django.core import mail, signing
from django.urls import reverse
from kombu.exceptions import OperationalError

from accounts.models import User
from tasks.emails import hand_over, send_due_emails
from tasks.fixtures import RedisServer
from tasks.health import check_redis

FORM = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "password1": "difference-engine",
    "password2": "difference-engine",
}


def test_the_handover_fails_within_a_second(broken_redis):
    for _ in range(2):  # the first one in a process has more to do
        start = time.monotonic()
        with pytest.raises(OperationalError):
            hand_over(User(pk=1))
        assert time.monotonic() - start < 1


def test_the_health_check_fails_within_a_second(broken_redis):
    start = time.monotonic()
    with pytest.raises(OperationalError):
        check_redis()
    assert time.monotonic() - start < 1


def test_the_health_check_is_content_with_a_redis_that_works(
    redis_server: RedisServer, broker: Callable
):
    broker(redis_server.url)
    check_redis()


@pytest.mark.django_db(transaction=True)
def test_a_sign_up_gets_its_email_later(broken_redis, client, request, fault_report):
    answer = client.post(reverse("accounts:signup"), FORM, follow=True)

    assert answer.context["user"].email == "ada@example.com"
    assert "your welcome e-mail follows" in answer.content.decode()
    assert mail.outbox == []

    request.getfixturevalue("run_at_once")  # Redis and a worker are back
    send_due_emails()
    got = len(mail.outbox)
    fault = f"Redis {request.node.callspec.params['broken_redis']}"
    fault_report(fault, 1, "1 sign-up", 1 - min(got, 1), max(got - 1, 0), "the next sweep")
    assert [message.subject for message in mail.outbox] == ["Welcome!"]


@pytest.mark.django_db(transaction=True)
def test_a_page_that_waits_for_a_result_goes_on_waiting(broken_redis, admin_client):
    answer = admin_client.post(reverse("reports:index"), follow=True)
    assert "Redis does not answer" in answer.content.decode()
    assert answer.redirect_chain == [(reverse("reports:index"), 302)]

    token = signing.dumps("an-id", salt="report")
    page = admin_client.get(reverse("reports:detail", args=[token])).content.decode()
    assert "Redis does not answer" in page
    assert "hx-get" in page
