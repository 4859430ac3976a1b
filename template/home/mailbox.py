"""Reads the e-mails that development writes to files instead of sending them."""

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings

# What Django's file backend writes after each message. An e-mail may hold such a line, too.
SEPARATOR = re.compile(b"\n-{79}\n(?=Content-Type: |$)")


@dataclass(frozen=True)
class SentEmail:
    """One e-mail."""

    date: datetime
    to: str
    subject: str
    text: str


def folder() -> Path | None:
    """Where e-mails are written, or None if this project sends them."""
    path = getattr(settings, "EMAIL_FILE_PATH", None)
    return (
        Path(path) if path and settings.EMAIL_BACKEND.endswith("filebased.EmailBackend") else None
    )


def newest(count: int = 50) -> list[SentEmail]:
    """Return the last ``count`` e-mails, the newest first."""
    files = sorted((folder() or Path()).glob("*.log"), reverse=True)[:count]
    sent = [
        _read(message)
        for file in files
        for message in SEPARATOR.split(file.read_bytes())
        if message.strip()
    ]
    return sorted(sent, key=lambda message: message.date, reverse=True)[:count]


def _read(data: bytes) -> SentEmail:
    message = email.message_from_bytes(data.strip(), policy=email.policy.default)
    body = message.get_body(preferencelist=("plain", "html"))
    return SentEmail(
        date=parsedate_to_datetime(message["Date"]),
        to=message["To"],
        subject=message["Subject"],
        text=body.get_content() if body else "",
    )
