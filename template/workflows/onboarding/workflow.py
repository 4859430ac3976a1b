"""What happens after a sign-up: a welcome now, and a follow-up a day later."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows import queues

with workflow.unsafe.imports_passed_through():
    from .activities import EmailInput, process_user, send_email

WAIT = timedelta(hours=24)


@dataclass
class OnboardingInput:
    user_id: int


@workflow.defn
class UserOnboardingWorkflow:
    """Process the user, welcome him, wait for a day, and ask how it is going.

    Fails if the user does not exist, or if an e-mail was given up for good.
    """

    @workflow.run
    async def run(self, input: OnboardingInput) -> None:
        await workflow.execute_activity(
            process_user,
            input.user_id,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
        )
        await self._send(input, "welcome")
        await workflow.sleep(WAIT)
        await self._send(input, "follow-up")

    async def _send(self, input: OnboardingInput, kind: str) -> None:
        # Retried until it is sent or given up: the ledger says when to try again, and when to stop.
        await workflow.execute_activity(
            send_email,
            EmailInput(input.user_id, kind),
            task_queue=queues.mail(workflow.info().task_queue),
            start_to_close_timeout=timedelta(minutes=3),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=5)),
        )
