"""Reads the e-mails that development writes to files instead of sending them."""

import re
from email import message_from_bytes, policy
from operator import itemgetter
from pathlib import Path

from django.conf import settings

# What Django's file backend writes after each message. An e-mail may hold such a line, too.
SEPARATOR = re.compile(b"\n-{79}\n(?=Content-Type: |$)")


def folder() -> Path | None:
    """Where development writes its e-mails. None in production, or if this project sends them."""
    if settings.DEBUG and settings.EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        return Path(settings.EMAIL_FILE_PATH)
    return None


def newest(folder: Path, count: int = 50) -> list[dict]:
    """Return the ``date``, ``to``, ``subject`` and ``text`` of the last e-mails, newest first."""
    files = sorted(folder.glob("*.log"), reverse=True)[:count]
    texts = [text for file in files for text in SEPARATOR.split(file.read_bytes())]
    sent = [_read(text) for text in texts if text.strip()]
    return sorted(sent, key=itemgetter("date"), reverse=True)[:count]


def _read(text: bytes) -> dict:
    message = message_from_bytes(text.strip(), policy=policy.default)
    body = message.get_body(preferencelist=("plain", "html"))
    return {
        "date": message["Date"].datetime,
        "to": message["To"],
        "subject": message["Subject"],
        "text": body.get_content() if body else "",
    }
