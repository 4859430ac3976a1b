"""What the e-mails say."""

from collections.abc import Callable
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage

from .models import Email


def welcome(email: Email) -> tuple[str, str]:
    return "Welcome!", f"Hi {email.user.name},\n\nyour account is ready. Good to have you here.\n"


def follow_up(email: Email) -> tuple[str, str]:
    return (
        "How's it going?",
        f"Hi {email.user.name},\n\nyou have been with us for a day. Is anything missing?\n",
    )


writers: dict[str, Callable[[Email], tuple[str, str]]] = {
    Email.WELCOME: welcome,
    Email.FOLLOW_UP: follow_up,
}
"""Who writes the subject and the text of a kind. An app adds its own kinds in ``ready()``.

A kind may carry a reference behind a colon, for example ``announcement:42``.
"""


def compose(email: Email) -> EmailMessage:
    """Return the message that keeps this promise. Raises `KeyError` for an unknown kind."""
    subject, body = writers[email.kind.partition(":")[0]](email)
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    reference = f"{email.kind.replace(':', '.')}.{email.user_id}.{email.pk}"
    return EmailMessage(
        subject,
        body,
        to=[email.user.email],
        # Always the same for this row: a receiver can recognise a second copy.
        headers={"Message-ID": f"<{reference}@{sender.rpartition('@')[2]}>"},
    )
