"""A saga: each step of an order is taken back if a later one fails."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from workflows.emails import TIMEOUTS, EmailInput, mail_queue, send_email

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


# What a customer reads. The worker's log has the details.
CALLED_OFF = "it was called off"
FAILED = "something went wrong on our side"


@workflow.defn
class OrderWorkflow:
    """Reserve stock, charge, ship, and send a receipt.

    Returns ``shipped``, or ``cancelled`` with nothing left behind. Cancelling the workflow cancels
    the order, until it is shipped.
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
            await _to_the_end(_take_back(input, self._compensations, _reason(error)))
            if is_cancelled_exception(error):
                raise
            return "cancelled"
        # Orders that were running when this step was added have no such step in their history.
        # workflows/README.md, "Change a workflow that is running", says when the condition can go.
        if workflow.patched("receipt"):
            await self._send_receipt(input)
        return "shipped"

    async def _do(self, input: OrderInput, name: str, step: Callable, *, undo: Callable) -> None:
        # Before the step and not after it: a step that fails may have had its effect.
        self._compensations.append((undo, _step(input, name)))
        await workflow.execute_activity(
            step,
            _step(input, name),
            start_to_close_timeout=timedelta(seconds=5),
            schedule_to_close_timeout=PATIENCE,
        )

    async def _send_receipt(self, input: OrderInput) -> None:
        # The parcel is on its way; an address that refuses e-mails does not bring it back, and who
        # calls the order off now is too late. The outbox keeps the receipt.
        with contextlib.suppress(ActivityError, asyncio.CancelledError):
            await workflow.execute_activity(
                send_email,
                EmailInput(input.customer_id, RECEIPT, str(input.order_id)),
                task_queue=mail_queue(workflow.info().task_queue),
                **TIMEOUTS,
            )


@workflow.defn
class TakeBackWorkflow:
    """Take back whatever an order has had, after its workflow was cut short.

    It runs under the id of that workflow, whose steps it takes back.
    """

    @workflow.run
    async def run(self, input: OrderInput) -> str:
        steps = [("reserve", release_stock), ("charge", refund), ("ship", recall_shipment)]
        undo_all = [(undo, _step(input, name)) for name, undo in steps]
        await _to_the_end(_take_back(input, undo_all, CALLED_OFF))
        return "cancelled"


def _step(input: OrderInput, name: str) -> Step:
    return Step(input.order_id, f"{workflow.info().workflow_id}/{name}")


async def _take_back(
    input: OrderInput, compensations: Sequence[tuple[Callable, Step]], reason: str
) -> None:
    """Undo these steps, the last one first, each tried until it is done."""
    undo_all = [(undo, [step]) for undo, step in reversed(compensations)]
    for undo, arguments in [*undo_all, (cancel_order, [input.order_id, reason])]:
        await workflow.execute_activity(
            undo,
            args=arguments,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
        )


async def _to_the_end(work: Coroutine) -> None:
    """Await all of it, also if the workflow is cancelled meanwhile: half of it would be worse."""
    task = asyncio.create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    await task


def _reason(error: BaseException) -> str:
    if is_cancelled_exception(error):
        return CALLED_OFF
    if isinstance(error, ActivityError):
        if isinstance(error.cause, ApplicationError) and error.cause.type == "Refused":
            return error.cause.message
        workflow.logger.error("%s failed for good: %s", error.activity_type, error.cause)
    return FAILED
