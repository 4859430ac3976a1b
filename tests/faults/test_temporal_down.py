"""Whatever state Temporal is in, a sign-up stands, does not wait, and gets its e-mails later."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts import ledger
from accounts.models import Email, User
from accounts.signup import sign_up
from workflows.health import check_temporal
from workflows.onboarding.start import start_onboarding
from workflows.sweep.workflow import SweepWorkflow

from .conftest import Temporal

FORM = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "password1": "difference-engine",
    "password2": "difference-engine",
}


@pytest.fixture(params=["refuses", "does not accept", "accepts and says nothing"])
def broken_temporal(request: pytest.FixtureRequest, no_other_server: None) -> Iterator[None]:
    """Django's client is told of a server that does not work."""
    with socket.socket() as listener, socket.socket() as caller:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if request.param == "refuses":
            listener.close()
        elif request.param == "does not accept":
            listener.listen(0)
            caller.connect(("127.0.0.1", port))  # the queue of callers is full now
        else:
            listener.listen(100)
        settings.TEMPORAL_API_OPTIONS = {
            "target_host": f"127.0.0.1:{port}",
            "namespace": "default",
        }
        yield


def test_a_sign_up_stands_and_says_that_the_mail_is_late(broken_temporal, client, transactional_db):
    start = time.monotonic()
    page = client.post(reverse("accounts:signup"), FORM, follow=True)
    assert time.monotonic() - start < 1.5  # two pages and a password besides
    assert "follows as soon as it flows again" in page.content.decode()
    assert User.objects.get().email == "ada@example.com"
    assert mail.outbox == []


def test_handing_over_takes_less_than_a_second_each_time(broken_temporal):
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(OSError):
            start_onboarding(1)
        assert time.monotonic() - start < 1


def test_the_health_check_fails_within_a_second(broken_temporal):
    start = time.monotonic()
    with pytest.raises(OSError):
        check_temporal()
    assert time.monotonic() - start < 1


def test_the_health_check_passes(temporal):
    check_temporal()


def make_overdue() -> None:
    """Pretend that all promises were due two minutes ago."""
    Email.objects.update(not_before=timezone.now() - timedelta(minutes=2))


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def run_sweep(temporal: Temporal) -> int:
    """Run the sweep now, and return how many e-mails it sent itself."""
    queue = settings.TEMPORAL_TASK_QUEUE
    start = temporal.client.start_workflow(SweepWorkflow.run, id=queue, task_queue=queue)
    return temporal.run(temporal.run(start).result())


@pytest.fixture
def missed(transactional_db) -> User:
    """Somebody who signed up two minutes ago, while Temporal was down."""
    signup = sign_up("ada@example.com", "Ada", "difference-engine")
    assert signup.delayed
    ago = timezone.now() - timedelta(minutes=2)
    Email.objects.filter(kind=Email.WELCOME).update(not_before=ago)
    User.objects.update(date_joined=ago)
    return signup.user


def test_the_sweep_starts_what_temporal_missed(missed, temporal, workers):
    run_sweep(temporal)
    temporal.result(temporal.onboarding(missed))
    assert subjects() == ["Welcome!", "How's it going?"]


def test_the_sweep_starts_it_too_if_another_backend_sent_the_welcome(missed, temporal, workers):
    ledger.deliver(missed.pk, Email.WELCOME)
    run_sweep(temporal)
    temporal.result(temporal.onboarding(missed))
    assert subjects() == ["Welcome!", "How's it going?"]


def test_the_sweep_sends_what_no_workflow_will_send(temporal, workers, user):
    start_onboarding(user.pk)
    temporal.run(temporal.onboarding(user).terminate())
    make_overdue()
    run_sweep(temporal)
    assert sorted(subjects()) == ["How's it going?", "Welcome!"]


def test_the_sweep_leaves_to_the_workflow_what_is_due_just_now(temporal, workers, user):
    assert run_sweep(temporal) == 0
    assert ledger.due().count() == 2


def test_the_sweep_sends_the_emails_of_other_backends_too(temporal, workers, user, monkeypatch):
    monkeypatch.setitem(ledger.emails.writers, "news", lambda email: ("News", "There is some."))
    user.emails.all().delete()
    Email.objects.create(user=user, kind="news:42")
    make_overdue()
    assert run_sweep(temporal) == 1
    assert subjects() == ["News"]
