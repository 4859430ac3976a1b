"""Starts the workflow of an order, and sees to orders whose workflow has ended too early."""

import contextlib
import logging
from datetime import datetime

from django.conf import settings
from temporalio.exceptions import WorkflowAlreadyStartedError

from workflows import client
from workflows.observe import observe

from .models import Order
from .workflow import OrderInput, OrderWorkflow, TakeBackWorkflow

# What a customer reads.
STOPPED = "it was stopped, and somebody looks at it"

logger = logging.getLogger(__name__)


def workflow_id(order_id: int) -> str:
    return Order.objects.values_list("workflow_id", flat=True).get(pk=order_id)


def start_order(order: Order) -> None:
    """Start `OrderWorkflow` for the order. A second start changes nothing.

    Call it after the commit. Raises within 0.8 seconds if Temporal does not take it; the order
    stays placed then, and the sweep starts it.
    """
    client.start_once(
        OrderWorkflow.run,
        OrderInput(order.pk, order.customer_id),
        id=order.workflow_id,
        summary=f"Order {order.pk}",
    )


def take_back(order: Order) -> None:
    """Start `TakeBackWorkflow` for an order whose own workflow has ended too early.

    Nothing is started while a workflow of this order runs. Raises what `client.call` does.
    """
    with contextlib.suppress(WorkflowAlreadyStartedError):
        client.call(
            lambda temporal: temporal.start_workflow(
                TakeBackWorkflow.run,
                OrderInput(order.pk, order.customer_id),
                id=order.workflow_id,
                task_queue=settings.TEMPORAL_TASK_QUEUE,
                static_summary=f"Take back order {order.pk}",
            )
        )


def start_missing(since: datetime) -> None:
    """See to the orders placed before ``since`` that are not finished, the oldest first."""
    unfinished = Order.objects.filter(state__in=Order.UNFINISHED, placed_at__lte=since)
    client.each(unfinished.order_by("pk")[:500], _see_to)


def _see_to(order: Order) -> None:
    """Do something about an order that no workflow moves.

    Temporal was down: start it. Its workflow was cancelled and did not take everything back: do so.
    Somebody terminated it, or Temporal has lost it: it is stopped, and a person decides. Nothing
    is charged then, whatever becomes of Temporal's memory of it.
    """
    seen = observe(order.workflow_id)
    if seen and seen.status in ("running", "continued as new"):
        return
    unfinished = Order.objects.filter(pk=order.pk, state__in=Order.UNFINISHED)
    if not seen and order.state == Order.State.PLACED:
        start_order(order)
    elif seen and seen.status == "canceled":
        if unfinished.exists():  # it may have ended well meanwhile
            take_back(order)
    elif unfinished.update(state=Order.State.STOPPED, reason=STOPPED):
        end = seen.status if seen else "lost"
        logger.error("%s is stopped: its workflow is %s.", order, end)
