from django.db import models


class FailedWorkflow(models.Model):
    """A workflow that failed or is stuck, also once Temporal has forgotten it."""

    class State(models.TextChoices):
        # In this order in the admin.
        FAILED = "failed", "failed"
        GIVEN_UP = "given up", "given up"
        AGAIN = "run again", "runs again"
        SUCCEEDED = "succeeded", "succeeded meanwhile, or goes on"

    # The runs of a schedule have ids of their own: all of them are one row.
    name = models.CharField(
        max_length=1000, unique=True, help_text="The workflow's id, or that of its schedule."
    )
    workflow_id = models.CharField(max_length=1000)
    run_id = models.CharField(max_length=64)
    type = models.CharField(max_length=255)
    how = models.CharField(max_length=32, help_text="failed, timed out, terminated or stuck")
    times = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField()
    first_failed_at = models.DateTimeField()
    last_failed_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.FAILED)

    class Meta:
        indexes = [models.Index(fields=["state", "-last_failed_at"], name="failed_workflow_state")]
        ordering = ["state", "-last_failed_at"]

    def __str__(self) -> str:
        return self.workflow_id
