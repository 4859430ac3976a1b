"""What Temporal keeps about a workflow holds ids, and nothing that somebody wrote or is called."""

import base64
import json
from decimal import Decimal

from django.urls import reverse
from temporalio.client import WorkflowExecutionStatus

import accounts.emails
from accounts.models import User
from accounts.signup import sign_up
from approvals.models import ApprovalRequest, Decision
from approvals.tests.test_approvals import form, post_decision
from exports.workflow import ExpireWorkflow
from orders.activities import NO_DELIVERY
from orders.models import Order, Product
from orders.start import start_order, take_back
from outbox import delivery
from outbox.models import Email
from workflows import client as temporal_client
from workflows.declarations import declared, workflow_name
from workflows.sweep.workflow import SweepWorkflow

# What must not be there: parts of names, addresses and texts.
SECRETS = ["zelda", "yorick", "xanadu", "wombat"]


def readable(part: object) -> object:
    """The same with readable payloads."""
    if isinstance(part, dict):
        if isinstance(part.get("data"), str):
            return base64.b64decode(part["data"]).decode()
        return {key: readable(value) for key, value in part.items()}
    return [readable(entry) for entry in part] if isinstance(part, list) else part


def test_histories_hold_no_names_addresses_or_texts(
    real_temporal, real_workers, transactional_db, client, monkeypatch, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    in_time = temporal_client.call
    monkeypatch.setattr(temporal_client, "call", lambda request, timeout=0: in_time(request, 20))
    monkeypatch.setattr(delivery.random, "uniform", lambda *_: 0.001)
    follow_up = accounts.emails.follow_up

    def fail_once(email: Email) -> tuple[str, str]:
        monkeypatch.setattr(accounts.emails, "follow_up", follow_up)
        raise LookupError(f"a mistake of ours about {email.user.email}")

    monkeypatch.setattr(accounts.emails, "follow_up", fail_once)
    zelda = sign_up("zelda@example.com", "Zelda", "difference-engine").user
    zelda.confirm_email()
    client.force_login(zelda)
    client.post(reverse("workflows:skip_wait"))

    yorick = User.objects.create_user("yorick@example.com", name="Yorick", is_superuser=True)
    User.objects.update(is_staff=True)
    client.post(reverse("approvals:list"), form("A wombat"))
    request = ApprovalRequest.objects.get()
    post_decision(client, yorick, request, "reject", "A wombat is out of the question.")
    assert Decision.objects.get().reason == "A wombat is out of the question."
    client.post(reverse("exports:list"))

    product = Product.objects.create(name="Xanadu", price=Decimal(20), stock=9)
    for address in ("Xanadu", f"Xanadu, {NO_DELIVERY}"):
        order = Order.objects.create(
            customer=zelda, product=product, amount=Decimal(20), address=address
        )
        start_order(order)
    queue = settings.TEMPORAL_TASK_QUEUE
    for periodic in (SweepWorkflow, ExpireWorkflow):
        start = real_temporal.client.start_workflow
        real_temporal.run(start(periodic.run, id=f"{periodic.__name__}-{queue}", task_queue=queue))

    async def fetch() -> list[tuple[str, object]]:
        client, ended = real_temporal.client, []
        async for run in client.list_workflows(f"TaskQueue = '{queue}'"):
            if run.status != WorkflowExecutionStatus.RUNNING:
                handle = client.get_workflow_handle(run.id, run_id=run.run_id)
                history = await handle.fetch_history()
                ended.append((run.workflow_type, readable(history.to_json_dict())))
        return ended

    def ended() -> list[str]:
        return sorted(kind for kind, _ in real_temporal.run(fetch()))

    real_temporal.wait_until(lambda: ended().count("OrderWorkflow") == 2, "the orders", 60)
    take_back(order)
    kinds = {workflow_name(entry) for entry in declared().workflows}
    real_temporal.wait_until(lambda: set(ended()) == kinds, "one of each kind", 60)
    together = json.dumps(real_temporal.run(fetch())).lower()
    assert "lookuperror" in together
    assert f"order {order.pk}" in together
    assert [secret for secret in SECRETS if secret in together] == []
