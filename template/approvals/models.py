"""What was asked for, and who decided what. Pages show this; the workflow moves it."""

from uuid import uuid4

from django.conf import settings
from django.db import models


def new_workflow_id() -> str:
    """An id that no request has had, also if a backup is restored and numbers come again."""
    return f"approval-{uuid4().hex}"


class ApprovalRequest(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        REJECTED = "rejected"
        EXPIRED = "expired"
        # Somebody cancelled or terminated its workflow.
        CANCELLED = "cancelled"

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    what = models.CharField("what do you need?", max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    token = models.UUIDField(
        null=True, unique=True, editable=False, help_text="Of the form: sent twice, it asks once."
    )
    workflow_id = models.CharField(
        max_length=60, unique=True, editable=False, default=new_workflow_id
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(
        null=True, editable=False, help_text="When Temporal took it; the sweep starts the others."
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.what


class Reason(models.Model):
    """Why somebody decides. The workflow hands on its key: free text stays out of histories."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.CASCADE)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=500)

    def __str__(self) -> str:
        return self.text


class Decision(models.Model):
    """The record of a decision, which nothing changes later: who, what, why and when."""

    request = models.OneToOneField(ApprovalRequest, on_delete=models.PROTECT)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    approved = models.BooleanField()
    reason = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.request}: {'approved' if self.approved else 'rejected'}"
