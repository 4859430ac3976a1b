"""What the workers of Temporal run."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
def nothing() -> None:
    """Do nothing."""


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=60))
