from django.conf import settings
from django.db import models
from django.utils import timezone


class Email(models.Model):
    """A promise: one e-mail of one kind to one user, about one thing."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="emails"
    )
    kind = models.CharField(max_length=64)
    reference = models.CharField(
        max_length=64, blank=True, help_text="What it is about, for example the key of an order."
    )
    not_before = models.DateTimeField(
        default=timezone.now,
        help_text="When it is due; while it is being sent, when others may try again.",
    )
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was promised for; attempts do not change it."
    )
    claim = models.UUIDField(null=True, unique=True, editable=False, help_text="Who is sending it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    unanswered = models.PositiveSmallIntegerField(
        default=0, help_text="How often the mail server got the whole of it and did not answer."
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was given up, for example an unknown address."
    )
    given_up_at = models.DateTimeField(
        null=True, blank=True, help_text="When staff decided that it is not sent."
    )
    error = models.TextField(blank=True, help_text="What went wrong at the last attempt.")
    trace = models.TextField(null=True, editable=False)  # noqa: DJ001 - so no row is rewritten

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "reference"], name="email_once"),
        ]
        indexes = [
            models.Index(
                fields=["not_before"], condition=models.Q(sent_at=None), name="email_open"
            ),
            models.Index(fields=["kind", "reference"], name="email_kind"),
        ]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}".strip() + f" to user {self.user_id}"
