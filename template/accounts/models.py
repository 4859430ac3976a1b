"""Users, and the ledger of the e-mails that were promised to them."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone


class UserManager(BaseUserManager):
    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        """Create a user who logs in with ``email``; without a password, the user cannot."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields) -> "User":
        """Create a user who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, email: str) -> "User":
        return self.get(email__iexact=email)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody with an account. The e-mail address is the login, in any mix of cases."""

    email = models.EmailField("email address", unique=True)
    name = models.CharField(max_length=150)
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May use the admin.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                models.functions.Lower("email"),
                name="user_email_unique",
                violation_error_message="A user with that email address already exists.",
            ),
        ]

    def __str__(self) -> str:
        return self.email


class Email(models.Model):
    """A promise: one e-mail of one kind to one user. `accounts.ledger` keeps it.

    The row is written in the transaction that gives the promise, and marked once the mail server
    has accepted the message. It outlives brokers and workers.
    """

    WELCOME = "welcome"
    FOLLOW_UP = "follow-up"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="emails")
    kind = models.CharField(max_length=64)
    not_before = models.DateTimeField(
        default=timezone.now,
        help_text="When it is due; while it is being sent, when others may try again.",
    )
    claim = models.UUIDField(null=True, unique=True, editable=False, help_text="Who is sending it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was given up, for example an unknown address."
    )
    error = models.TextField(blank=True, help_text="What went wrong at the last attempt.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="email_once_per_user_and_kind"),
        ]
        indexes = [
            models.Index(
                fields=["not_before"],
                condition=models.Q(sent_at=None, failed_at=None),
                name="email_unsent",
            ),
        ]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user}"
