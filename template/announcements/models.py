from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from outbox import promises
from outbox.models import Email

# The kind of these e-mails in the outbox; their reference is the announcement's key.
KIND = "announcement"


class AnnouncementQuerySet(models.QuerySet):
    def unfinished(self) -> "AnnouncementQuerySet":
        """Those that are not yet promised to every user, and shall be."""
        return self.filter(cursor__lt=F("last_user_id"), stopped_at=None)


class Announcement(models.Model):
    """One e-mail to everybody who has an account, and a confirmed address, when it is made."""

    subject = models.CharField(max_length=150)
    text = models.TextField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, editable=False
    )
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_user_id = models.BigIntegerField(editable=False, help_text="The newest account.")
    cursor = models.BigIntegerField(
        default=0, editable=False, help_text="Users up to this one have their row in the outbox."
    )
    moved_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When the cursor moved last."
    )

    token = models.UUIDField(
        null=True, unique=True, editable=False, help_text="Of the form: a double click is one."
    )
    stopped_at = models.DateTimeField(null=True, editable=False)

    objects = AnnouncementQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.subject

    def get_absolute_url(self) -> str:
        return reverse("announcements:detail", args=[self.pk])

    @property
    def reference(self) -> str:
        """What its e-mails are about, in the outbox."""
        return str(self.pk)

    def next_users(self) -> models.QuerySet[User]:
        """The users who have no row in the outbox yet."""
        if self.stopped_at:
            return User.objects.none()
        users = User.objects.filter(pk__gt=self.cursor, pk__lte=self.last_user_id, is_active=True)
        return users.exclude(email_confirmed_at=None).order_by("pk")

    @transaction.atomic
    def stop(self, by: User) -> None:
        """Take back every e-mail that has not left. Those that are being sent arrive."""
        # The lock keeps `tasks.promise` from writing further rows meanwhile.
        announcement = Announcement.objects.select_for_update().get(pk=self.pk)
        if not announcement.stopped_at:
            announcement.stopped_at, announcement.stopped_by = timezone.now(), by
            announcement.save(update_fields=["stopped_at", "stopped_by"])
        promises.withdraw_all(KIND, self.reference)

    def progress(self) -> dict[str, int]:
        """How many e-mails there are in all, and how many of them in each state."""
        counts = promises.progress(KIND, self.reference)
        total = counts.pop("promised") + self.next_users().count()
        return {"total": total, "waiting": total - sum(counts.values()), **counts}

    def last_error(self) -> str:
        """What went wrong with an e-mail that is to be tried again, or nothing."""
        unsent = Email.objects.filter(
            kind=KIND, reference=self.reference, sent_at=None, failed_at=None
        )
        return unsent.exclude(error="").values_list("error", flat=True).first() or ""
