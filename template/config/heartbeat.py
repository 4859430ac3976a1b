"""Heartbeats: a file that a process writes every few seconds while it does its work.

process-compose names the process in ``PC_PROC_NAME``; without that name nothing is written. The
readiness probe in ``services/`` looks at the file's age. The file holds the process's id, so that
the last beat of a killed process does not pass for a new one's.
"""

import contextlib
import os
import re
from pathlib import Path

from django.conf import settings

# Seconds between two beats. A file is stale after 30.
INTERVAL = 5


def beat() -> None:
    """Say that this process is alive and doing its work. Call it every `INTERVAL` seconds."""
    if file := _file():
        # A full disk makes the process look dead. It must not make it so.
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(str(os.getpid()))


def remove() -> None:
    """Say that this process stops. The heartbeat of one that has replaced it already stays."""
    file = _file()
    with contextlib.suppress(OSError):
        if file and file.read_text() == str(os.getpid()):
            file.unlink()


def _file() -> Path | None:
    replica = os.environ.get("PC_REPLICA_NUM") or "0"
    # A process that was scaled has its replica's number in its name, too.
    name = re.sub(rf"-{re.escape(replica)}$", "", os.environ.get("PC_PROC_NAME", ""))
    return Path(settings.DATA_DIR, "run", f"{name}.{replica}") if name else None
