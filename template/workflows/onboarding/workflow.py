"""What happens after a sign-up: a welcome now, and a follow-up a day later."""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workflows.emails import TIMEOUTS, EmailInput, mail_queue, send_email

    from .activities import process_user

WAIT = timedelta(hours=24)


@dataclass
class OnboardingInput:
    user_id: int


@dataclass
class OnboardingState:
    """The answer to a query: what the workflow is doing."""

    # ``processing``, ``welcoming``, ``waiting``, ``following up`` or ``done``.
    step: str = "processing"
    # When the wait ends, once it has begun.
    follow_up_at: datetime | None = None


@workflow.defn
class UserOnboardingWorkflow:
    """Process the user, welcome them, wait for a day, and ask how it is going.

    Fails if the user does not exist, or if an e-mail was given up for good or may have arrived.
    """

    def __init__(self) -> None:
        self._state = OnboardingState()
        self._skip_wait = False

    @workflow.run
    async def run(self, input: OnboardingInput) -> None:
        await workflow.execute_activity(
            process_user,
            input.user_id,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
        )
        self._state.step = "welcoming"
        await self._send(input, "welcome")

        self._state = OnboardingState("waiting", follow_up_at=workflow.now() + WAIT)
        with contextlib.suppress(TimeoutError):  # the day is over
            await workflow.wait_condition(
                lambda: self._skip_wait, timeout=WAIT, timeout_summary="a day"
            )

        self._state.step = "following up"
        await self._send(input, "follow-up")
        self._state.step = "done"

    @workflow.query
    def state(self) -> OnboardingState:
        return self._state

    @workflow.signal
    def skip_wait(self) -> None:
        """Send the follow-up now. It is too late for that once it is sent."""
        self._skip_wait = True

    async def _send(self, input: OnboardingInput, kind: str) -> None:
        # Retried until it is sent or given up: the outbox says when to try again, and when to stop.
        await workflow.execute_activity(
            send_email,
            EmailInput(input.user_id, kind),
            task_queue=mail_queue(workflow.info().task_queue),
            **TIMEOUTS,
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=5)),
            summary=kind,
        )
