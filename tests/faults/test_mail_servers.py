"""Mail servers that answer late, never, or break: who gets an e-mail, and how often."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.utils import timezone
from mail_server import MailServer

from accounts.emails import WELCOME
from accounts.models import User
from outbox import delivery, promises, smtp
from outbox.delivery import State, deliver
from outbox.models import Email

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings, monkeypatch) -> Iterator[MailServer]:
    server = MailServer()
    settings.EMAIL_BACKEND = "outbox.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_TIMEOUT = 0.5
    monkeypatch.setattr(smtp, "ANSWER_TIMEOUT", 3)
    yield server
    server.close()


@pytest.fixture
def user() -> User:
    user = User.objects.create_user("ada@example.com", name="Ada")
    promises.promise([user.pk], WELCOME)
    return user


def make_due() -> None:
    Email.objects.update(not_before=timezone.now())


def test_one_that_answers_late_is_waited_for(server, user, fault_report):
    server.at["END"] = 1.5  # three times the time-out of any other step
    start = time.monotonic()
    assert deliver(user.pk, WELCOME).state is State.SENT
    report(fault_report, "late", server, start)
    assert len(server.taken) == 1
    assert Email.objects.get().unanswered == 0


def test_so_is_one_that_speaks_tls(server, user, settings, monkeypatch, tmp_path):
    files = [tmp_path / "key.pem", tmp_path / "cert.pem"]
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    command = [*make, "-nodes", *name, "-keyout", files[0], "-out", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(files[1], files[0])
    monkeypatch.setenv("SSL_CERT_FILE", str(files[1]))
    settings.EMAIL_USE_SSL, settings.EMAIL_HOST = True, "localhost"

    server.at["END"] = 1.5
    assert deliver(user.pk, WELCOME).state is State.SENT
    assert len(server.taken) == 1


def test_while_it_is_waited_for_nobody_else_sends(server, user):
    server.at["END"] = 1.5
    sender = threading.Thread(target=deliver, args=[user.pk, WELCOME])
    sender.start()
    while not server.taken:
        time.sleep(0.01)
    # Longer than the lease of one whose message has not left.
    assert Email.objects.get().not_before - timezone.now() > delivery.LEASE
    assert not delivery.due().exists()
    sender.join()
    assert Email.objects.get().sent_at


@pytest.mark.parametrize("ahead", [50, 600])
def test_two_clocks_that_differ(server, user, settings, monkeypatch, fault_report, ahead):
    """That of the host which looks next is ahead of the sender's, also by more than a lease."""
    real = timezone.now

    def now() -> datetime:
        is_next = threading.current_thread() is threading.main_thread()
        return real() + timedelta(seconds=ahead * is_next)

    def send() -> None:
        with contextlib.closing(connection):
            deliver(user.pk, WELCOME)

    monkeypatch.setattr(timezone, "now", now)
    settings.EMAIL_TIMEOUT = 2
    server.at["RCPT"] = 0.4
    start = time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    while "RCPT" not in server.reached:
        time.sleep(0.01)
    deliver(user.pk, WELCOME)
    sender.join()
    took, taken = f"{time.monotonic() - start:.1f}", len(server.taken)
    fault = f"two hosts whose clocks differ by {ahead} s"
    fault_report(fault, 1, "1 e-mail", 1 - min(taken, 1), taken - 1, took)
    assert taken == 1
    assert Email.objects.get().sent_at


def report(fault_report, how: str, server: MailServer, start: float) -> None:
    """What became of one e-mail."""
    taken = len(server.taken)
    took = f"{time.monotonic() - start:.1f}"
    fault_report(
        f"a mail server that answers {how}", 1, "1 e-mail", 1 - min(taken, 1), taken - 1, took
    )


@pytest.mark.parametrize("does", ["silence", "break"])
def test_one_that_never_answers_gets_it_twice_at_most(
    server, user, does, monkeypatch, fault_report
):
    start = time.monotonic()
    monkeypatch.setattr(smtp, "ANSWER_TIMEOUT", 0.5)
    server.at["END"] = does

    first = deliver(user.pk, WELCOME)
    assert (first.state, first.retry_in) == (State.WAITING, delivery.UNANSWERED_WAIT)
    assert deliver(user.pk, WELCOME).state is State.WAITING  # it is late, not at once
    make_due()
    assert deliver(user.pk, WELCOME).state is State.UNKNOWN
    for _ in range(10):
        make_due()
        assert delivery.deliver_due() == 0
        assert deliver(user.pk, WELCOME).state is State.UNKNOWN

    report(fault_report, f"never: {does}", server, start)
    assert len(server.taken) == 2
    ids = {line for mail in server.taken for line in mail.splitlines() if "Message-ID" in line}
    assert len(ids) == 1
    assert "did not answer" in Email.objects.get().error


def test_a_person_can_send_it_once_more(server, user, monkeypatch):
    monkeypatch.setattr(smtp, "ANSWER_TIMEOUT", 0.1)
    server.at["END"] = "break"
    for _ in range(2):
        deliver(user.pk, WELCOME)
        make_due()
    server.at.clear()

    assert promises.retry(Email.objects.all()) == 1
    assert deliver(user.pk, WELCOME).state is State.SENT


def test_one_killed_while_it_waits_for_the_answer_is_sent_once_more(user):
    """As a kill leaves the row: claimed, and nobody there to settle it."""
    claim = "7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11"
    Email.objects.update(claim=claim, unanswered=1, not_before=timezone.now())
    assert deliver(user.pk, WELCOME).state is State.SENT

    Email.objects.update(claim=claim, unanswered=2, sent_at=None, not_before=timezone.now())
    assert deliver(user.pk, WELCOME).state is State.UNKNOWN
    assert promises.retry(Email.objects.all()) == 1


@pytest.mark.parametrize("does", ["silence", "break", "421 too busy"])
@pytest.mark.parametrize("point", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_before_the_end_of_the_message_nothing_is_unknown(server, user, point, does, fault_report):
    server.at[point] = does
    if point == "EHLO" and does != "silence":
        server.at["HELO"] = does  # what smtplib tries next
    result = deliver(user.pk, WELCOME)
    assert result.state is State.WAITING
    assert result.retry_in < 20
    email = Email.objects.get()
    assert (email.unanswered, email.claim) == (0, None)

    server.at.clear()
    make_due()
    start = time.monotonic()
    assert deliver(user.pk, WELCOME).state is State.SENT
    if point == "DATA":
        report(fault_report, f"half, then {does}", server, start)
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("reply", "state"), [("452 disk full", State.WAITING), ("554 spam", State.FAILED)]
)
def test_a_refusal_of_the_whole_message_is_an_answer(server, user, reply, state):
    server.at["END"] = reply
    assert deliver(user.pk, WELCOME).state is state
    assert Email.objects.get().unanswered == 0


def test_the_end_of_a_message_waits_for_no_acknowledgement(server, user, monkeypatch):
    sent_at_once = []

    class Connection(smtp._Connection):
        def getreply(self):
            option = socket.IPPROTO_TCP, socket.TCP_NODELAY
            sent_at_once.append(bool(self.sock.getsockopt(*option)))
            return super().getreply()

    monkeypatch.setattr(smtp.EmailBackend, "connection_class", Connection)
    assert deliver(user.pk, WELCOME).state is State.SENT
    assert sent_at_once[-2]  # the answer to the dot, before the one to QUIT


def test_who_lost_the_claim_does_not_end_the_message(server, user):
    """It took longer than its lease to get there, and another one sends it."""
    server.at["RCPT"] = 0.3
    sender = threading.Thread(target=deliver, args=[user.pk, WELCOME])
    sender.start()
    while not Email.objects.exclude(claim=None).exists():
        time.sleep(0.01)
    Email.objects.update(claim="7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11")
    sender.join()
    assert server.taken == []
    assert Email.objects.get().unanswered == 0


def test_a_server_that_hangs_after_its_answer_changes_nothing(server, user):
    server.at["QUIT"] = "silence"
    assert deliver(user.pk, WELCOME).state is State.SENT
    assert Email.objects.get().sent_at


def test_without_a_time_out_it_is_waited_for_as_well(server, user, settings):
    settings.EMAIL_TIMEOUT = None
    assert deliver(user.pk, WELCOME).state is State.SENT
    assert len(server.taken) == 1


def test_a_database_that_restarts_does_not_double_an_email(server, user, monkeypatch):
    update, failures = QuerySet.update, [2]

    def fail_twice(queryset, **fields):
        if "sent_at" in fields and failures[0]:
            failures[0] -= 1
            raise OperationalError("server closed the connection unexpectedly")
        return update(queryset, **fields)

    monkeypatch.setattr(QuerySet, "update", fail_twice)
    monkeypatch.setattr(delivery, "MARK_AGAIN_AFTER", (0, 0, 0))
    assert deliver(user.pk, WELCOME).state is State.SENT
    assert Email.objects.get().sent_at
    make_due()
    assert deliver(user.pk, WELCOME).state is State.ALREADY_SENT
    assert len(server.taken) == 1
