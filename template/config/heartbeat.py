"""Heartbeats: a file that a process writes every few seconds while it does its work.

Its readiness probe (`ready.py`) looks at the file's age, which costs next to nothing. The file
stands in `$DATA_DIR/run/` and is named `<process>.<replica>`, for example `mail-worker.0`. It
holds the process's id, so that the last beat of a killed process does not pass for a new one's.
"""

import os
from pathlib import Path

INTERVAL = 5
"""Seconds between two beats. A file is stale after 30."""

_ROOT = Path(__file__).resolve().parent.parent


def path(process: str) -> Path:
    """Return the heartbeat file of this replica of *process*.

    The replica's number comes from `PC_REPLICA_NUM`, which process-compose sets.
    """
    data_dir = _ROOT / (os.environ.get("DATA_DIR") or ".data")
    return data_dir / "run" / f"{process}.{os.environ.get('PC_REPLICA_NUM') or 0}"


def beat(process: str) -> None:
    """Say that *process* is alive and doing its work. Call it every `INTERVAL` seconds."""
    file = path(process)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(os.getpid()))


def remove(process: str) -> None:
    """Say that *process* stops. The heartbeat of one that has replaced it already stays."""
    file = path(process)
    if file.exists() and file.read_text() == str(os.getpid()):
        file.unlink()
