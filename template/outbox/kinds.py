"""The kinds of e-mail that the installed apps declare in their configs, and the message of a row.

Each kind has a function that takes the row, and returns the subject and the text.
"""

import re
from collections.abc import Callable
from email.utils import parseaddr

from django.apps import apps
from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from .models import Email


def bulk() -> set[str]:
    """The kinds that their own apps send in bulk."""
    return _kinds("bulk_emails")


def all_kinds() -> set[str]:
    """Every kind that an installed app can write."""
    return _kinds("emails", "bulk_emails")


def before_confirmation() -> set[str]:
    """The kinds that also go to an address which its user has not confirmed."""
    return _kinds("emails_before_confirmation")


def compose(email: Email) -> EmailMessage:
    """Return the message that keeps this promise. Raises `KeyError` for an undeclared kind."""
    writers: dict[str, str] = {}
    for app in apps.get_app_configs():
        writers |= getattr(app, "emails", {}) | getattr(app, "bulk_emails", {})
    write: Callable[[Email], tuple[str, str]] = import_string(writers[email.kind])
    subject, body = write(email)
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    row = ".".join(filter(None, [email.kind, email.reference, str(email.user_id), str(email.pk)]))
    row = re.sub(r"[^A-Za-z0-9.-]", "-", row)  # nothing else may stand there unquoted
    return EmailMessage(
        " ".join(subject.split()),  # what users wrote may hold line breaks, a header must not
        body,
        to=[email.user.email],
        # Always the same for this row: a receiver can recognise a second copy.
        headers={"Message-ID": f"<{row}@{sender.rpartition('@')[2]}>"},
    )


def _kinds(*attributes: str) -> set[str]:
    return {
        kind
        for app in apps.get_app_configs()
        for attribute in attributes
        for kind in getattr(app, attribute, [])
    }
