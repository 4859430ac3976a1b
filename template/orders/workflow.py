"""A saga: each step of an order is taken back if a later one fails."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from workflows.emails import EmailInput, mail_queue, send_email

    from .activities import (
        Step,
        cancel_order,
        charge,
        recall_shipment,
        refund,
        release_stock,
        reserve_stock,
        ship,
    )
    from .emails import RECEIPT

# How long a step is tried before the order is cancelled.
PATIENCE = timedelta(minutes=10)


@dataclass
class OrderInput:
    order_id: int
    # For the receipt. New fields need a default: older histories have no value for them.
    customer_id: int = 0


@workflow.defn
class OrderWorkflow:
    """Reserve stock, charge, ship, and send a receipt.

    Returns ``shipped``, or ``cancelled`` with nothing left behind. Cancelling the workflow cancels
    the order.
    """

    def __init__(self) -> None:
        self._compensations: list[tuple[Callable, Step]] = []

    @workflow.run
    async def run(self, input: OrderInput) -> str:
        try:
            await self._do(input, "reserve", reserve_stock, undo=release_stock)
            await self._do(input, "charge", charge, undo=refund)
            await self._do(input, "ship", ship, undo=recall_shipment)
        except (ActivityError, asyncio.CancelledError) as error:
            await self._take_back(input, _reason(error))
            if is_cancelled_exception(error):
                raise
            return "cancelled"
        # Orders that were running when this step was added have no such step in their history.
        # workflows/README.md, "Change a workflow that is running", says when the condition can go.
        if workflow.patched("receipt"):
            await self._send_receipt(input)
        return "shipped"

    async def _do(self, input: OrderInput, name: str, step: Callable, *, undo: Callable) -> None:
        key = f"{workflow.info().workflow_id}/{name}"
        # Before the step and not after it: a step that fails may have had its effect.
        self._compensations.append((undo, Step(input.order_id, key)))
        await workflow.execute_activity(
            step,
            Step(input.order_id, key),
            start_to_close_timeout=timedelta(seconds=5),
            schedule_to_close_timeout=PATIENCE,
        )

    async def _take_back(self, input: OrderInput, reason: str) -> None:
        # Tried until they are done, the last step first.
        for undo, step in reversed(self._compensations):
            await workflow.execute_activity(
                undo,
                step,
                start_to_close_timeout=timedelta(seconds=5),
                retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
            )
        await workflow.execute_activity(
            cancel_order,
            args=[input.order_id, reason],
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
        )

    async def _send_receipt(self, input: OrderInput) -> None:
        # The parcel is on its way; an address that refuses e-mails does not bring it back.
        with contextlib.suppress(ActivityError):
            await workflow.execute_activity(
                send_email,
                EmailInput(input.customer_id, RECEIPT, str(input.order_id)),
                task_queue=mail_queue(workflow.info().task_queue),
                start_to_close_timeout=timedelta(minutes=3),
            )


def _reason(error: BaseException) -> str:
    if is_cancelled_exception(error):
        return "it was called off"
    if isinstance(error, ActivityError) and isinstance(error.cause, ApplicationError):
        if error.cause.type == "Refused":
            return error.cause.message
        return f"{error.activity_type} failed: {error.cause.message}"
    return "a step took too long"
