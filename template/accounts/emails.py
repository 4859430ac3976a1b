"""What the e-mails of an account say."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from outbox.models import Email

WELCOME = "welcome"
FOLLOW_UP = "follow-up"
RESET = "password-reset"


def welcome(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    token = signing.dumps(email.user.email, salt=WELCOME)
    return (
        "Welcome!",
        f"Hi {email.user.name},\n\nyour account is ready. Good to have you here."
        " Please confirm that this is your address:\n\n"
        f"{settings.SITE_URL}{reverse('accounts:confirm', args=[token])}\n\n"
        "If you have not signed up, do nothing.\n",
    )


def follow_up(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    return (
        "How's it going?",
        f"Hi {email.user.name},\n\nyou have been with us for a day. Is anything missing?\n",
    )


def password_reset(email: Email) -> tuple[str, str]:
    """Return the subject and the text. It names nobody: anybody can have it sent."""
    user = urlsafe_base64_encode(force_bytes(email.user.pk))
    token = default_token_generator.make_token(email.user)
    return (
        "A new password",
        "Somebody has asked for a new password for your account. Choose it here:\n\n"
        f"{settings.SITE_URL}{reverse('accounts:new-password', args=[user, token])}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n",
    )
