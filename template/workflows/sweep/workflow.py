"""Keeps the promises of the ledger when nobody else did. `workflows/schedules.py` says when."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows import queues

with workflow.unsafe.imports_passed_through():
    from .activities import deliver_emails, start_missing_onboardings


@workflow.defn
class EmailSweepWorkflow:
    """Start the onboardings that Temporal missed, and send what is overdue all the same.

    Returns the number of e-mails that it sent itself.
    """

    @workflow.run
    async def run(self) -> int:
        # A local activity: mostly there is nothing to do, and it halves the history of that.
        left = await workflow.execute_local_activity(
            start_missing_onboardings,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        if not left:
            return 0
        return await workflow.execute_activity(
            deliver_emails,
            left,
            task_queue=queues.mail(workflow.info().task_queue),
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(minutes=3),
            retry_policy=RetryPolicy(maximum_attempts=1),  # the next sweep is the retry
        )
