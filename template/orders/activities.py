"""The steps of an order, and how each is taken back.

Every step may run more than once, and its compensation may come before it: a step that timed out
may still be running somewhere. So each compensation leaves a mark that keeps the step from
happening later, and succeeds on a step that never happened.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.text import Truncator
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from outbox.promises import promise, withdraw_all

from . import payments
from .emails import RECEIPT
from .models import REASON_LENGTH, Order, Product, Reservation, Shipment

NO_DELIVERY = "Atlantis"


@dataclass
class Step:
    """One step of one order."""

    order_id: int
    # The workflow's id and the step: the same however often it is tried.
    key: str


# A cancellation must not interrupt these between two statements, hence no_thread_cancel_exception.


@activity.defn(no_thread_cancel_exception=True)
def reserve_stock(step: Step) -> None:
    """Set the ordered quantity aside."""
    with transaction.atomic():
        order = _unstopped(step)
        reservation, created = Reservation.objects.get_or_create(
            key=step.key,
            defaults={"order": order, "product": order.product, "quantity": order.quantity},
        )
        if reservation.released_at:
            raise _refused("the reservation was called off before it came")
        if created:
            left = Product.objects.filter(pk=order.product_id, stock__gte=order.quantity)
            if not left.update(stock=F("stock") - order.quantity):
                raise _refused(f"there is not enough {order.product} in stock")
        _move(order, Order.State.PLACED, Order.State.RESERVED)


@activity.defn(no_thread_cancel_exception=True)
def release_stock(step: Step) -> None:
    """Put back what was set aside, if anything."""
    with transaction.atomic():
        order, now = _order(step), timezone.now()
        Reservation.objects.get_or_create(
            key=step.key,
            defaults={
                "order": order,
                "product": order.product,
                "quantity": order.quantity,
                "released_at": now,
            },
        )
        if Reservation.objects.filter(key=step.key, released_at=None).update(released_at=now):
            Product.objects.filter(pk=order.product_id).update(stock=F("stock") + order.quantity)


@activity.defn(no_thread_cancel_exception=True)
def charge(step: Step) -> None:
    """Take the money."""
    order = _unstopped(step)
    try:
        payments.charge(step.key, order.amount)
    except payments.Declined as error:
        raise _refused(str(error)) from error
    _move(order, Order.State.RESERVED, Order.State.PAID)


@activity.defn(no_thread_cancel_exception=True)
def refund(step: Step) -> None:
    """Give the money back, if it was taken."""
    payments.refund(step.key)


@activity.defn(no_thread_cancel_exception=True)
def ship(step: Step) -> None:
    """Tell the carrier to fetch the parcel."""
    with transaction.atomic():
        order = _unstopped(step)
        if NO_DELIVERY in order.address:
            raise _refused(f"the carrier does not go to {NO_DELIVERY}")
        shipment, _ = Shipment.objects.get_or_create(
            key=step.key, defaults={"order": order, "address": order.address}
        )
        if shipment.recalled_at:
            raise _refused("the shipment was called off before it came")
        _move(order, Order.State.PAID, Order.State.SHIPPED)
        # In the same transaction: whoever gets a parcel gets a receipt.
        promise([order.customer_id], RECEIPT, reference=str(order.pk))


@activity.defn(no_thread_cancel_exception=True)
def recall_shipment(step: Step) -> None:
    """Call the carrier off, if it was told."""
    with transaction.atomic():
        order, now = _order(step), timezone.now()
        Shipment.objects.get_or_create(
            key=step.key,
            defaults={"order": order, "address": order.address, "recalled_at": now},
        )
        Shipment.objects.filter(key=step.key, recalled_at=None).update(recalled_at=now)
        withdraw_all(RECEIPT, str(order.pk))


@activity.defn(no_thread_cancel_exception=True)
def cancel_order(order_id: int, reason: str) -> None:
    """Say on the order why it was cancelled, once everything is taken back."""
    Order.objects.filter(pk=order_id).update(
        state=Order.State.CANCELLED, reason=Truncator(reason).chars(REASON_LENGTH)
    )


def _order(step: Step) -> Order:
    order = Order.objects.select_related("product").filter(pk=step.order_id).first()
    if order is None:
        raise _refused(f"there is no order {step.order_id}")
    return order


def _unstopped(step: Step) -> Order:
    order = _order(step)
    if order.state == Order.State.STOPPED:
        raise _refused("it was stopped")
    return order


def _move(order: Order, before: str, after: str) -> None:
    # A step that runs again must not move the order back.
    Order.objects.filter(pk=order.pk, state=before).update(state=after)


def _refused(reason: str) -> ApplicationError:
    """An answer that stays the same however often one asks."""
    return ApplicationError(
        reason,
        type="Refused",
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,  # expected: no traceback in the log
    )
