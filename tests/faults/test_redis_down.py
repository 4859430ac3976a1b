"""Whatever state Redis is in, a sign-up stands, does not wait, and gets its e-mail later."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.core import mail, signing
from django.urls import reverse
from kombu.exceptions import OperationalError

from accounts.models import User
from accounts.signup import SignUp, _hand_over, sign_up
from config.celery import check_redis
from tasks.emails import send_due_emails, send_welcome_email
from tasks.fixtures import RedisServer, wait_until

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
            send_welcome_email.delay(1)
        assert time.monotonic() - start < 1


@pytest.fixture
def slow_redis(redis_server: RedisServer, broker: Callable) -> Iterator[None]:
    """Tasks are published to a Redis whose answers each take 0.3 seconds: within all time-outs."""

    def pump(source: socket.socket, target: socket.socket, delay: float) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(delay)
                target.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", redis_server.port))
                for ends in ((caller, server, 0), (server, caller, 0.3)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        broker(f"redis://127.0.0.1:{listener.getsockname()[1]}/1")
        yield


@pytest.mark.django_db(transaction=True)
def test_a_sign_up_waits_less_than_a_second_for_all_backends(slow_redis, redis_server, caplog):
    """Temporal is down in these tests, too."""
    first, second = (User(email=f"{n}@example.com") for n in range(2))
    for user in (first, second):
        user.save()
        signup = SignUp(user)
        start = time.monotonic()
        _hand_over(signup)
        assert time.monotonic() - start < 1
        assert signup.delayed
        assert f"User {user.pk}: the backends take long" in caplog.text
    # It was only slow.
    wait_until(lambda: redis_server.client.llen("mail") == 2, "the tasks")


@pytest.mark.django_db(transaction=True)
def test_no_thread_is_left_to_wait_and_nobody_waits_for_one(slow_redis, monkeypatch):
    one = threading.BoundedSemaphore(1)
    monkeypatch.setattr("accounts.signup._threads", one)
    users = [User(email=f"{n}@example.com") for n in range(2)]
    for user, longest in zip(users, (1, 0.1), strict=True):
        user.save()
        start = time.monotonic()
        _hand_over(signup := SignUp(user))
        assert time.monotonic() - start < longest
        assert signup.delayed
    assert one.acquire(timeout=30)  # the first one's has ended


@pytest.mark.django_db(transaction=True)
def test_a_sign_up_that_is_held_up_is_a_line_a_backend(broken_redis, caplog, monkeypatch):
    monkeypatch.setattr("accounts.signup.PATIENCE", 20)  # whose end is a line of its own
    sign_up("ada@example.com", "Ada", "difference-engine")
    lines = [record for record in caplog.records if record.levelname != "INFO"]
    assert 1 <= len(lines) <= 2, caplog.text
    assert not any(record.exc_info for record in lines)


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
