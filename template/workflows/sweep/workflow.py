"""Keeps promises that nobody else kept. `workflows/apps.py` says when."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workflows.emails import ENOUGH, TIMEOUTS, EmailInput, deliver_emails, mail_queue

    from .activities import find_overdue_emails, start_missing_workflows


@workflow.defn
class SweepWorkflow:
    """Start the workflows that Temporal missed while it was down, and send overdue e-mails.

    Returns how many e-mails it sent itself within a minute. Fails after all of that if some
    workflow could not be started.
    """

    @workflow.run
    async def run(self) -> int:
        # Local activities: mostly there is nothing to do, and they halve the history of that.
        for_a_minute = workflow.LocalActivityConfig(
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        failure = None
        try:
            await workflow.execute_local_activity(start_missing_workflows, **for_a_minute)
        except (ActivityError, ApplicationError) as error:  # a time-out or a failure
            failure = error
        sent = 0
        if emails := await workflow.execute_local_activity(find_overdue_emails, **for_a_minute):
            sent = await self._deliver(emails)
        if failure:
            raise failure
        return sent

    async def _deliver(self, emails: list[EmailInput]) -> int:
        sending = workflow.start_activity(
            deliver_emails,
            emails,
            task_queue=mail_queue(workflow.info().task_queue),
            **TIMEOUTS,
            retry_policy=RetryPolicy(maximum_attempts=1),  # the next sweep is the retry
        )
        if workflow.patched("leave-a-slow-mail-server"):
            # The activity ends in its own time. What Temporal missed does not wait for that.
            await workflow.wait([sending], timeout=2 * ENOUGH)
            if not sending.done():
                return 0
        return await sending
