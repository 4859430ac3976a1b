"""A long piece of work in one activity."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from .activities import ExportInput, expire_exports, export_users


@workflow.defn
class ExportWorkflow:
    """Export all users, and return their number. Cancel the workflow to cancel the export."""

    @workflow.run
    async def run(self, input: ExportInput) -> int:
        return await workflow.execute_activity(
            export_users,
            args=[workflow.info().workflow_id, input.until],
            start_to_close_timeout=timedelta(hours=2),
            # Without a heartbeat for so long, its worker is taken for dead and another goes on.
            heartbeat_timeout=timedelta(seconds=10),
            # Wait until the activity has tidied up.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class ExpireWorkflow:
    """Delete exports that are too old. `apps.py` says when it runs."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            expire_exports, start_to_close_timeout=timedelta(minutes=10)
        )
