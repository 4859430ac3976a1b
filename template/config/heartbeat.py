"""Heartbeats: a file that a process writes every few seconds while it does its work.

It is ``HEARTBEAT_FILE``, or under process-compose one with the process's name; without either there
is none. It holds the process's id, as a killed one's last beat must not pass for a new one's, and
until when it counts. Probes: those in ``services/``, elsewhere ``python -IS config/heartbeat.py``.
"""

import contextlib
import os
import sys
import time

# Seconds between two beats, and seconds after which one does not count.
INTERVAL = 5
STALE = 30


def beat() -> None:
    """Say that this process is alive and doing its work. Call it every `INTERVAL` seconds."""
    if path := _path():
        # A full disk makes the process look dead. It must not make it so.
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "w") as file:
                file.write(f"{os.getpid()} {int(time.time()) + STALE}\n")


def remove() -> None:
    """Say that this process stops. The heartbeat of one that has replaced it already stays."""
    with contextlib.suppress(OSError), open(_path()) as file:
        if file.read().split()[:1] == [str(os.getpid())]:
            os.unlink(file.name)


def check() -> str | None:
    """Return what is wrong with the heartbeat in ``HEARTBEAT_FILE``, or None."""
    path = os.environ.get("HEARTBEAT_FILE", "")
    try:
        age = time.time() - os.stat(path).st_mtime
    except OSError as error:
        return f"There is no heartbeat in HEARTBEAT_FILE={path}: {error.strerror}."
    return f"The heartbeat in {path} is {age:.0f} s old." if age > STALE else None


def _path() -> str:
    name = os.environ.get("PC_PROC_NAME")
    if not name:
        return os.environ.get("HEARTBEAT_FILE", "")
    replica = os.environ.get("PC_REPLICA_NUM") or "0"
    # A process that was scaled has its replica's number in its name, too.
    file = f"{name.removesuffix(f'-{replica}')}.{replica}"
    return os.path.join(os.environ.get("DATA_DIR") or ".data", "run", file)


if __name__ == "__main__":
    sys.exit(check())
