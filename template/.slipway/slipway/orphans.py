"""The processes that live on when process-compose itself is killed (`kill -9`).

They keep their ports. Every process of a stack inherits `PC_SOCKET_PATH`, whose value belongs to
this project and data folder alone; that is how they are found. The environment is read anew before
each signal, so a process id that was used again is never hit.
"""

import contextlib
import os
import signal
import time

from slipway import system

# Seconds that processes get between SIGTERM and SIGKILL.
GRACE = 30


def find(socket_path: str) -> dict[int, int]:
    """Return the processes of the stack with this socket: process id -> parent's process id."""
    found = system.with_environment(f"PC_SOCKET_PATH={socket_path}")
    found.pop(os.getpid(), None)
    return found


def topmost(found: dict[int, int]) -> list[int]:
    """Return those of *found* that were not started by another of them, oldest first."""
    return sorted(pid for pid, parent in found.items() if parent not in found)


def nothing_runs(socket_path: str) -> str:
    """Say that no stack runs here, and what of one lives on."""
    left = "".join(f"  {system.describe(pid)}\n" for pid in topmost(find(socket_path)))
    if not left:
        return "Nothing runs here. To start it: just up"
    return f"process-compose does not answer, but this still runs:\n{left}To end it: just down"


def end(socket_path: str) -> None:
    """Name the stack's processes that live on without process-compose, and end them."""
    for pid in topmost(find(socket_path)):
        print(f"Ending what was left behind: {system.describe(pid)}")
    stop(socket_path)


def stop(socket_path: str) -> None:
    """Stop the stack's processes by SIGTERM, and what remains after `GRACE` seconds by SIGKILL.

    SIGTERM goes to the topmost ones only, because a second signal would make a worker drop its
    work, and to one after the other, the newest first: workers end before their servers.
    """
    told: set[int] = set()
    give_up = time.monotonic() + GRACE
    while found := find(socket_path):
        if time.monotonic() > give_up:
            for pid in found:
                _signal(pid, signal.SIGKILL)
        elif not told & found.keys():
            newest = topmost(found)[-1]
            told.add(newest)
            _signal(newest, signal.SIGTERM)
        time.sleep(0.05)


def _signal(pid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)
