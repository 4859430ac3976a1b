"""What is exported: rows, which every host reaches, and no files on one of them."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

# How long an export can be downloaded. Then nothing is left of it but who asked for it, and when.
KEPT_FOR = timedelta(days=1)


class Export(models.Model):
    """Who asked for all users, and what became of it."""

    class State(models.TextChoices):
        RUNNING = "running"
        COMPLETED = "completed"
        CANCELED = "canceled"  # as Temporal spells it
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    asked_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    rows = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes that can be downloaded.")

    class Meta:
        ordering = ["-asked_at"]

    def __str__(self) -> str:
        return self.workflow_id

    @property
    def workflow_id(self) -> str:
        return f"export-{self.pk}"

    def content(self) -> Iterator[bytes]:
        """The file, piece by piece, of which one at a time is in memory."""
        after = 0
        while piece := self.pieces.filter(after=after).first():
            yield bytes(piece.content)
            after = piece.last_id

    def end(self, state: str) -> None:
        """Leave nothing of it but this row. Whoever still writes to it is refused."""
        with transaction.atomic():
            Export.objects.filter(pk=self.pk).update(state=state, size=0)
            self.pieces.all().delete()


class Piece(models.Model):
    """Some rows of the file. However many attempts write it, it is there once."""

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="pieces")
    after = models.BigIntegerField(help_text="The last user of the piece before.")
    last_id = models.BigIntegerField()
    rows = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["export", "after"], name="exports_piece_once")
        ]

    def __str__(self) -> str:
        return f"{self.export_id}, after {self.after}"
