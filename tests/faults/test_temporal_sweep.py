"""The sweep keeps the promises that nobody else kept."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.utils import timezone
from temporalio.client import WorkflowFailureError

from accounts.emails import WELCOME
from accounts.models import User
from accounts.signup import sign_up
from outbox import kinds
from outbox.delivery import deliver, due
from outbox.models import Email
from outbox.promises import promise
from workflows.fixtures import Temporal
from workflows.onboarding.activities import process_user
from workflows.onboarding.start import workflow_id
from workflows.sweep.workflow import SweepWorkflow


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
    signup.user.confirm_email()
    ago = timezone.now() - timedelta(minutes=2)
    Email.objects.filter(kind=WELCOME).update(not_before=ago)
    User.objects.update(date_joined=ago)
    return signup.user


def test_it_starts_what_temporal_missed(missed, temporal, workers):
    run_sweep(temporal)
    temporal.result(workflow_id(missed.pk))
    assert subjects() == ["Welcome!", "How's it going?"]


def test_it_starts_it_too_if_somebody_else_sent_the_welcome(missed, temporal, workers):
    deliver(missed.pk, WELCOME)
    run_sweep(temporal)
    temporal.result(workflow_id(missed.pk))
    assert subjects() == ["Welcome!", "How's it going?"]


def test_it_sends_what_no_workflow_will_send(temporal, workers, user):
    process_user(user.pk)  # a workflow came so far, and was terminated
    User.objects.update(date_joined=timezone.now() - timedelta(minutes=2))
    make_overdue()
    assert run_sweep(temporal) == 2
    assert sorted(subjects()) == ["How's it going?", "Welcome!"]
    temporal.record(settings.TEMPORAL_TASK_QUEUE, "sent")


def test_it_leaves_to_the_workflow_what_is_due_just_now(temporal, workers, user):
    assert run_sweep(temporal) == 0
    assert due().count() == 2


def write_news(email: Email) -> tuple[str, str]:
    return f"News {email.reference}", "There is some."


@pytest.mark.parametrize(("attribute", "sent"), [("emails", 1), ("bulk_emails", 0)])
def test_it_sends_the_emails_of_other_apps_but_not_those_in_bulk(
    temporal, workers, user, monkeypatch, attribute, sent
):
    news = {"news": f"{__name__}.write_news"}
    monkeypatch.setattr(apps.get_app_config("home"), attribute, news, raising=False)
    assert "news" in kinds.all_kinds()
    user.emails.all().delete()
    promise([user.pk], "news", reference="42")
    make_overdue()
    assert run_sweep(temporal) == sent
    assert subjects() == ["News 42"] * sent


def test_an_email_that_cannot_be_composed_keeps_nothing_else_from_it(
    temporal, workers, user, monkeypatch, caplog
):
    news = {"news": f"{__name__}.fail"}
    monkeypatch.setattr(apps.get_app_config("home"), "emails", news, raising=False)
    promise([user.pk], "news")
    make_overdue()
    Email.objects.filter(kind="news").update(not_before=timezone.now() - timedelta(minutes=3))
    process_user(user.pk)
    assert run_sweep(temporal) == 2
    assert "a mistake of ours" in caplog.text
    assert "LookupError" in Email.objects.get(kind="news").error


def fail(_) -> None:
    raise LookupError("a mistake of ours")


def test_an_app_that_fails_keeps_nothing_else_from_it(
    missed, temporal, workers, monkeypatch, caplog
):
    # `home` comes before `workflows`.
    path = f"{__name__}.fail"
    monkeypatch.setattr(apps.get_app_config("home"), "start_missing", path, raising=False)
    promise([User.objects.create_user("eve@example.com", name="Eve").pk], WELCOME)
    make_overdue()
    with pytest.raises(WorkflowFailureError) as raised:
        run_sweep(temporal)
    assert "could not be started: home." in str(raised.value.cause)
    assert "a mistake of ours" in caplog.text
    temporal.result(workflow_id(missed.pk))
    assert {"eve@example.com", "ada@example.com"} == {to for m in mail.outbox for to in m.to}
