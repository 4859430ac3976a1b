"""An order survives the death of its worker."""

import contextlib
import signal
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from temporal_processes import process_environment

from orders.activities import NO_DELIVERY
from orders.models import Order, Product
from orders.start import start_order, workflow_id
from orders.tests.test_orders import COMPENSATIONS, STEPS, STOCK, assert_balanced
from workflows import database, emails
from workflows.onboarding.start import start_onboarding
from workflows.onboarding.workflow import UserOnboardingWorkflow

MORTAL_WORKER = Path(__file__).parent / "temporal_mortal_worker.py"


def test_a_worker_killed_at_any_step_changes_nothing(
    real_temporal, transactional_db, user, settings, tmp_path
):
    """For each step, a worker is killed right after the effect, before Temporal knows of it."""
    settings.DATA_DIR, settings.DEBUG = tmp_path, True
    queue = settings.TEMPORAL_TASK_QUEUE
    orders, processes = {}, {}
    for name in [*STEPS, *COMPENSATIONS]:
        settings.TEMPORAL_TASK_QUEUE = f"{queue}-{name}"
        product = Product.objects.create(name=name, price=Decimal("20.00"), stock=STOCK)
        orders[name] = Order.objects.create(
            customer=user,
            product=product,
            quantity=2,
            amount=Decimal("40.00"),
            address=NO_DELIVERY if name in COMPENSATIONS else "London",
        )
        processes[name] = subprocess.Popen(
            [sys.executable, MORTAL_WORKER, name],
            cwd=settings.BASE_DIR,
            env=process_environment(real_temporal, tmp_path)
            | {"PYTHONPATH": str(settings.BASE_DIR)},
        )
        start_order(orders[name])
    try:
        deaths = {name: process.wait(60) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
    assert set(deaths.values()) == {-signal.SIGKILL}

    with contextlib.ExitStack() as others:
        for name in orders:
            settings.TEMPORAL_TASK_QUEUE = f"{queue}-{name}"
            others.enter_context(real_temporal.workers())
        for name, order in orders.items():
            outcome = real_temporal.result(workflow_id(order.pk), timeout=60)
            assert outcome == ("cancelled" if name in COMPENSATIONS else "shipped")
            assert_balanced(order, outcome)


def test_a_worker_killed_with_an_email_is_noticed_soon(
    real_temporal, transactional_db, user, settings, tmp_path, monkeypatch
):
    """Long before the twelve minutes that a mail server has: here, after two seconds."""
    monkeypatch.setitem(emails.TIMEOUTS, "heartbeat_timeout", timedelta(seconds=2))
    monkeypatch.setattr(database, "BEAT", 0.5)
    settings.DATA_DIR, settings.DEBUG = tmp_path, True
    start_onboarding(user.pk)
    process = subprocess.Popen(
        [sys.executable, MORTAL_WORKER, "send_email"],
        cwd=settings.BASE_DIR,
        env=process_environment(real_temporal, tmp_path) | {"PYTHONPATH": str(settings.BASE_DIR)},
    )
    try:
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
    handle = real_temporal.handle(f"onboarding-{user.pk}")
    state = UserOnboardingWorkflow.state
    with real_temporal.workers():
        real_temporal.wait_until(
            lambda: real_temporal.run(handle.query(state)).step == "waiting", "the retry", 30
        )
