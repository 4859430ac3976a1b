"""Reads the e-mails that development writes to files instead of sending them."""

import email
import email.policy
import re
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.conf import settings

# What Django's file backend writes after each message. An e-mail may hold such a line, too.
SEPARATOR = re.compile(b"\n-{79}\n(?=Content-Type: |$)")


def folder() -> Path | None:
    """Where e-mails are written, or None if this project sends them."""
    path = getattr(settings, "EMAIL_FILE_PATH", None)
    return (
        Path(path) if path and settings.EMAIL_BACKEND.endswith("filebased.EmailBackend") else None
    )


def newest(count: int = 50) -> list[dict[str, Any]]:
    """Return the ``date``, ``to``, ``subject`` and ``text`` of the last e-mails, newest first."""
    files = sorted((folder() or Path()).glob("*.log"), reverse=True)[:count]
    sent = [
        _read(message)
        for file in files
        for message in SEPARATOR.split(file.read_bytes())
        if message.strip()
    ]
    return sorted(sent, key=itemgetter("date"), reverse=True)[:count]


def _read(data: bytes) -> dict[str, Any]:
    message = email.message_from_bytes(data.strip(), policy=email.policy.default)
    body = message.get_body(preferencelist=("plain", "html"))
    return {
        "date": message["Date"].datetime,
        "to": message["To"],
        "subject": message["Subject"],
        "text": body.get_content() if body else "",
    }
