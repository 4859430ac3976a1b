"""Writes all users to a file, in pieces, so that it can go on where it stopped."""

import csv
import io
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from accounts.models import User

# Rows between two heartbeats.
CHUNK = 1000
# The workflow's id names the file, and whoever reaches Temporal can start one with any id.
NAME = re.compile(r"[\w-]+")


@dataclass
class ExportInput:
    """What to export.

    Here and not beside the workflow, because it has a date: the sandbox of workflows has a
    `datetime` of its own, which nothing can be read into. This module is passed through.
    """

    # Users who sign up later are left out, however long it takes.
    until: datetime


@dataclass
class Progress:
    """How far the file is complete. Each heartbeat carries it to whoever goes on."""

    last_id: int = 0
    rows: int = 0
    size: int = 0


def path(name: str) -> Path:
    """Where the finished file is. Raises `ApplicationError` for a name that leads elsewhere."""
    if not NAME.fullmatch(name):
        raise ApplicationError(f"{name!r} is no name for a file.", non_retryable=True)
    return Path(settings.DATA_DIR, "exports", f"{name}.csv")


# Cancellation is looked for between two pieces, hence no_thread_cancel_exception.
@activity.defn(no_thread_cancel_exception=True)
def export_users(name: str, until: datetime) -> int:
    """Write all who signed up by then to the file, and return the number of its rows.

    Goes on where an earlier attempt stopped, if that one ran on a machine with the same folder.
    """
    part = path(name).with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    progress = _resume(part)
    with part.open("r+b") as file:
        file.truncate(progress.size)
        file.seek(progress.size)
        while chunk := _users_after(progress.last_id, until):
            _stop_if_asked(part)
            progress.size += file.write(_as_csv(chunk))
            file.flush()
            os.fsync(file.fileno())
            progress.last_id = chunk[-1][0]
            progress.rows += len(chunk)
            activity.heartbeat(progress)
    _stop_if_asked(part)
    part.replace(path(name))
    return progress.rows


def _resume(part: Path) -> Progress:
    details = activity.info().heartbeat_details
    progress = Progress(**details[0]) if details else Progress()
    return progress if part.stat().st_size >= progress.size else Progress()


def _stop_if_asked(part: Path) -> None:
    if activity.is_worker_shutdown():
        # A failure like any other: another worker goes on.
        raise ApplicationError("The worker stops.", type="WorkerStops")
    if activity.is_cancelled():
        part.unlink()
        raise CancelledError("The export was cancelled.")


def _users_after(last_id: int, until: datetime) -> list[tuple]:
    users = User.objects.filter(pk__gt=last_id, date_joined__lte=until).order_by("pk")
    return list(users.values_list("pk", "email", "name", "date_joined")[:CHUNK])


def _as_csv(rows: list[tuple]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
