"""Starts the workflow of an order."""

from datetime import datetime

from workflows import client

from .models import Order
from .workflow import OrderInput, OrderWorkflow


def workflow_id(order_id: int) -> str:
    return f"order-{order_id}"


def start_order(order: Order) -> None:
    """Start `OrderWorkflow` for the order. A second start changes nothing.

    Call it after the commit. Raises within 0.8 seconds if Temporal does not take it; the order
    stays placed then, and the sweep starts it.
    """
    client.start_once(
        OrderWorkflow.run,
        OrderInput(order.pk, order.customer_id),
        id=workflow_id(order.pk),
        summary=f"Order {order.pk}",
    )


def start_missing(since: datetime) -> None:
    """Start what was placed before ``since`` while Temporal was down."""
    for order in Order.objects.filter(state=Order.State.PLACED, placed_at__lte=since)[:500]:
        start_order(order)
