"""Ports for tests, which run beside each other."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import TextIO

# Below those that the kernel gives to whoever asks for any, so that no connection has one.
RANGE = range(20_000, 32_000)
# One file a port, locked until this process ends.
LOCKS = Path(tempfile.gettempdir(), f"slipway-test-ports-{os.getuid()}")
_held: list[TextIO] = []


def free_port() -> int:
    """Return a port that nobody listens on, and that no other test is given meanwhile."""
    LOCKS.mkdir(exist_ok=True)
    while True:
        number = random.choice(RANGE)
        lock = (LOCKS / str(number)).open("w")
        with contextlib.suppress(OSError), socket.socket() as probe:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            probe.bind(("127.0.0.1", number))
            _held.append(lock)
            return number
