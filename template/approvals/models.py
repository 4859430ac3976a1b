"""What was asked for, and who decided what. Pages show this; the workflow moves it."""

from django.conf import settings
from django.db import models


class ApprovalRequest(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        REJECTED = "rejected"
        EXPIRED = "expired"

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    what = models.CharField("what do you need?", max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    token = models.UUIDField(
        null=True, unique=True, editable=False, help_text="Of the form: sent twice, it asks once."
    )
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.what


class Decision(models.Model):
    """The record of a decision, which nothing changes later: who, what, why and when."""

    request = models.OneToOneField(ApprovalRequest, on_delete=models.PROTECT)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    approved = models.BooleanField()
    reason = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.request}: {'approved' if self.approved else 'rejected'}"
