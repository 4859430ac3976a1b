from django.conf import settings
from django.db import models
from django.db.models import Count, F
from django.urls import reverse
from django.utils import timezone

from accounts.models import Email, User

KIND = "announcement"
"""The kind of these e-mails in the ledger; behind a colon follows the announcement's key."""


class AnnouncementQuerySet(models.QuerySet):
    def unfinished(self) -> "AnnouncementQuerySet":
        """Those that are not yet promised to every user."""
        return self.filter(cursor__lt=F("last_user_id"))


class Announcement(models.Model):
    """One e-mail to everybody who has an account when it is made."""

    subject = models.CharField(max_length=150)
    text = models.TextField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_user_id = models.BigIntegerField(editable=False, help_text="The newest account.")
    cursor = models.BigIntegerField(
        default=0, editable=False, help_text="Users up to this one have their row in the ledger."
    )
    moved_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When the cursor moved last."
    )

    objects = AnnouncementQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.subject

    def get_absolute_url(self) -> str:
        return reverse("announcements:detail", args=[self.pk])

    @property
    def kind(self) -> str:
        """The kind of its e-mails in the ledger."""
        return f"{KIND}:{self.pk}"

    def next_users(self) -> models.QuerySet[User]:
        """The users who have no row in the ledger yet."""
        return User.objects.filter(
            pk__gt=self.cursor, pk__lte=self.last_user_id, is_active=True
        ).order_by("pk")

    def progress(self) -> dict[str, int]:
        """How many e-mails there are in all, sent, failed, and waiting.

        Counted in the ledger each time: a counter would drift whenever a task runs twice.
        """
        counts = Email.objects.filter(kind=self.kind).aggregate(
            promised=Count("pk"), sent=Count("sent_at"), failed=Count("failed_at")
        )
        total = counts["promised"] + self.next_users().count()
        waiting = total - counts["sent"] - counts["failed"]
        return {
            "total": total,
            "sent": counts["sent"],
            "failed": counts["failed"],
            "waiting": waiting,
        }

    def last_error(self) -> str:
        """What went wrong with an e-mail that is to be tried again, or nothing."""
        unsent = Email.objects.filter(kind=self.kind, sent_at=None, failed_at=None)
        return unsent.exclude(error="").values_list("error", flat=True).first() or ""


def write(email: Email) -> tuple[str, str]:
    """The subject and the text of such an e-mail, for `accounts.emails`."""
    announcement = Announcement.objects.get(pk=email.kind.partition(":")[2])
    return announcement.subject, f"Hi {email.user.name},\n\n{announcement.text}\n"
