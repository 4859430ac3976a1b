"""E-mails of workflows, and a mail server that needs its time to answer."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from mail_server import MailServer
from temporal_processes import wait_until
from temporalio.api.enums.v1 import EventType

from accounts.models import User
from approvals.models import ApprovalRequest
from approvals.start import start_approval
from approvals.start import workflow_id as approval_id
from orders.models import Order, Product
from orders.start import start_order
from orders.start import workflow_id as order_id
from outbox.models import Email
from outbox.smtp import ANSWER_TIMEOUT
from workflows import emails
from workflows.fixtures import Temporal
from workflows.onboarding.start import start_onboarding
from workflows.onboarding.start import workflow_id as onboarding_id
from workflows.sweep.workflow import SweepWorkflow

WELCOME, FOLLOW_UP, RECEIPT, REMINDER = "welcome", "follow-up", "receipt", "approval"


@pytest.fixture
def server(settings) -> Iterator[MailServer]:
    server = MailServer()
    settings.EMAIL_BACKEND = "outbox.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_TIMEOUT = 10
    yield server
    server.close()


def start_sweep(temporal: Temporal) -> str:
    queue, sweep = settings.TEMPORAL_TASK_QUEUE, f"sweep-{uuid.uuid4()}"
    temporal.run(temporal.client.start_workflow(SweepWorkflow.run, id=sweep, task_queue=queue))
    return sweep


def make_overdue(kind: str) -> None:
    Email.objects.filter(kind=kind).update(not_before=timezone.now() - timedelta(minutes=2))


def place_order(user: User) -> Order:
    product = Product.objects.create(name="Teapot", price=20, stock=5)
    return Order.objects.create(customer=user, product=product, amount=20, address="London")


def mail_activities(temporal: Temporal, workflow_id: str) -> list:
    """What the workflow asked of the queue of e-mails."""
    history = temporal.run(temporal.handle(workflow_id).fetch_history())
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    return [entry for entry in scheduled if entry.task_queue.name.endswith("-mail")]


def test_every_activity_that_sends_waits_as_long_as_a_mail_server_may_take(
    temporal, workers, user, staff, settings, tmp_path
):
    settings.DATA_DIR, settings.DEBUG = tmp_path, True
    start_onboarding(user.pk)
    temporal.result(onboarding_id(user.pk))
    order = place_order(user)
    start_order(order)
    temporal.result(order_id(order.pk))
    request = ApprovalRequest.objects.create(requester=user, what="A chair")
    User.objects.filter(pk=staff.pk).update(is_superuser=True)
    start_approval(request)
    temporal.result(approval_id(request.pk))
    Email.objects.filter(kind=WELCOME).update(sent_at=None)
    make_overdue(WELCOME)
    sweep = start_sweep(temporal)
    temporal.result(sweep)

    asked = [onboarding_id(user.pk), order_id(order.pk), approval_id(request.pk), sweep]
    sending = [entry for workflow in asked for entry in mail_activities(temporal, workflow)]
    assert len(sending) == 5
    for entry in sending:
        seconds = entry.start_to_close_timeout.seconds
        assert seconds > ANSWER_TIMEOUT + 60, entry.activity_type.name
        # The worker beats meanwhile; one that does not is dead.
        assert entry.heartbeat_timeout.seconds == 60, entry.activity_type.name


def test_the_sweep_does_not_wait_for_a_slow_mail_server(
    real_temporal, real_workers, user, server, monkeypatch
):
    monkeypatch.setattr(emails, "ENOUGH", 0.5)
    Email.objects.filter(kind=FOLLOW_UP).delete()
    make_overdue(WELCOME)
    server.at["END"] = "silence"
    assert real_temporal.result(start_sweep(real_temporal), timeout=10) == 0
    wait_until(lambda: server.taken, "the e-mail")
    # The next one leaves alone what is on its way.
    assert real_temporal.result(start_sweep(real_temporal), timeout=10) == 0
    assert len(server.taken) == 1
    server.close()


@pytest.mark.timeout(360)
def test_a_mail_server_that_answers_after_minutes_gets_each_email_once(
    real_temporal, real_workers, user, staff, server, settings, tmp_path
):
    """After 200 seconds: longer than the time-outs of three minutes that there were."""
    server.at["END"] = 200.0
    settings.DATA_DIR, settings.DEBUG = tmp_path, True
    User.objects.filter(pk=staff.pk).update(is_superuser=True)
    eve = User.objects.create_user("eve@example.com", name="Eve")
    start_onboarding(user.pk)
    order = place_order(eve)
    start_order(order)
    wait_until(lambda: len(server.taken) == 2, "the welcome and the receipt to leave")
    request = ApprovalRequest.objects.create(requester=user, what="A chair")
    Email.objects.create(user=staff, kind=REMINDER, reference=str(request.pk))
    make_overdue(REMINDER)
    sweep = start_sweep(real_temporal)
    wait_until(lambda: len(server.taken) == 3, "the reminder to leave")

    sent = Email.objects.exclude(sent_at=None)
    wait_until(lambda: sent.count() == 3, "all of them to be sent", timeout=260)
    assert real_temporal.result(sweep) == 0
    assert real_temporal.result(order_id(order.pk)) == "shipped"
    assert [email.attempts for email in sent] == [1, 1, 1]
    description = real_temporal.run(real_temporal.handle(onboarding_id(user.pk)).describe())
    assert not description.raw_description.pending_activities  # it waits for its day to end
    assert len(server.taken) == 3
