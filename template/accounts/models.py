import re
import unicodedata

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils import timezone


def validate_local_part(email: str) -> None:
    """Refuse letters that look like others before the ``@``: few mail servers take them."""
    if not email.rpartition("@")[0].isascii():
        raise ValidationError("Only plain letters can stand before the @.")


def validate_name(name: str) -> None:
    """Refuse what would reach others in an e-mail that greets them by it: links, a whole text."""
    if len(name) > 60 or re.search(r"[\x00-\x1f\x7f/<>@]|\w\.\w\w", name):
        raise ValidationError("Use up to 60 letters, and no address such as example.com.")


class LoginField(models.EmailField):
    """An e-mail address as a login: written and looked for in one form, in any mix of cases."""

    default_validators = [validate_email, validate_local_part]

    def get_prep_value(self, value: str | None) -> str | None:
        value = super().get_prep_value(value)
        return value if value is None else unicodedata.normalize("NFKC", value).lower()


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        """Create a user who logs in with ``email``; without a password, the user cannot."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields) -> "User":
        """Create a user who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody with an account. The e-mail address is the login, in any mix of cases."""

    email = LoginField(
        "email address",
        unique=True,
        error_messages={"unique": "A user with that email address already exists."},
    )
    email_confirmed_at = models.DateTimeField(
        default=timezone.now,
        null=True,
        blank=True,
        help_text="Whom staff or a command creates counts as confirmed; a sign-up does not yet.",
    )
    name = models.CharField(max_length=150, validators=[validate_name])
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May use the admin.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    def __str__(self) -> str:
        return self.email

    def confirm_email(self) -> None:
        """Note that the user reads what the address gets; from now on it gets all e-mails."""
        if self.email_confirmed_at is None:
            self.email_confirmed_at = timezone.now()
            self.save(update_fields=["email_confirmed_at"])
