"""A person in the loop: a request waits for a decision, reminds, and expires."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from workflows.emails import TIMEOUTS, mail_queue

    from .activities import DecisionInput, call_off_request, expire_request, record_decision
    from .reminders import remind_approvers

REMIND_AFTER = timedelta(days=1)
EXPIRE_AFTER = timedelta(days=3)


@dataclass
class ApprovalInput:
    request_id: int
    requester_id: int


@workflow.defn
class ApprovalWorkflow:
    """Wait for a decision. Returns ``approved``, ``rejected`` or ``expired``.

    Cancelling the workflow closes the request.
    """

    @workflow.init
    def __init__(self, input: ApprovalInput) -> None:
        # Here and not in run(): a decision may come before it.
        self._input = input
        self._outcome: str | None = None
        self._deciding = asyncio.Lock()

    @workflow.run
    async def run(self, input: ApprovalInput) -> str:
        try:
            if not await self._decided_within(REMIND_AFTER):
                await self._remind()
                if not await self._decided_within(EXPIRE_AFTER - REMIND_AFTER):
                    await self._close(expire_request)
            await workflow.wait_condition(workflow.all_handlers_finished)
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await _to_the_end(self._close(call_off_request))
            raise
        return self._outcome or "expired"

    @workflow.update
    async def decide(self, decision: DecisionInput) -> str:
        """Record the decision, and return what holds now."""
        async with self._deciding:
            if self._outcome is None:
                self._outcome = await workflow.execute_activity(
                    record_decision,
                    decision,
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
                )
            return self._outcome

    @decide.validator
    def check(self, decision: DecisionInput) -> None:
        # What is refused here leaves nothing in the history.
        if decision.request_id != self._input.request_id:
            raise ApplicationError("This is another request.", type="NotAllowed")
        if decision.approver_id == self._input.requester_id:
            raise ApplicationError("Nobody decides on their own request.", type="NotAllowed")
        if self._outcome:
            raise ApplicationError(f"It is {self._outcome} already.", type="TooLate")
        if not decision.approved and not decision.reason_id:
            raise ApplicationError("A rejection needs a reason.", type="ReasonMissing")

    async def _decided_within(self, time: timedelta) -> bool:
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._outcome is not None, timeout=time)
        return self._outcome is not None

    async def _remind(self) -> None:
        # The deadline does not wait for a mail server. The outbox goes on trying.
        try:
            await workflow.execute_activity(
                remind_approvers,
                self._input.request_id,
                task_queue=mail_queue(workflow.info().task_queue),
                **TIMEOUTS,
                retry_policy=RetryPolicy(maximum_attempts=3),
            )
        except ActivityError as error:
            # Requests that were cancelled at this place before have gone on.
            if is_cancelled_exception(error) and workflow.patched("cancelled-reminder"):
                raise

    async def _close(self, how: Callable[[int], str]) -> None:
        async with self._deciding:
            if self._outcome is None:
                self._outcome = await workflow.execute_activity(
                    how,
                    self._input.request_id,
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
                )
        await workflow.wait_condition(workflow.all_handlers_finished)


async def _to_the_end(work: Coroutine) -> None:
    """Await all of it, also if the workflow is cancelled meanwhile."""
    task = asyncio.create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    await task
