from django.db import models


class FailedTask(models.Model):
    """A task that failed for good, by its name and arguments. `tasks.failures` writes the rows."""

    class State(models.TextChoices):
        # In this order in the admin.
        FAILED = "failed", "failed"
        GIVEN_UP = "given up", "given up"
        AGAIN = "run again", "queued again"
        SUCCEEDED = "succeeded", "succeeded meanwhile"

    task = models.CharField(max_length=255)
    # As JSON; empty if the message could not be read.
    args = models.TextField(blank=True)
    kwargs = models.TextField(blank=True)
    key = models.CharField(max_length=64, unique=True, editable=False)
    queue = models.CharField(max_length=255, blank=True)
    error = models.TextField()
    times = models.PositiveIntegerField(default=1, help_text="How often it failed for good.")
    first_failed_at = models.DateTimeField()
    last_failed_at = models.DateTimeField()
    last_id = models.CharField(max_length=255, help_text="Of the message that failed last.")
    state = models.CharField(max_length=16, choices=State, default=State.FAILED)

    class Meta:
        indexes = [models.Index(fields=["state", "-last_failed_at"], name="failed_task_state")]
        ordering = ["state", "-last_failed_at"]

    def __str__(self) -> str:
        return f"{self.task}({self.args}, {self.kwargs})"
