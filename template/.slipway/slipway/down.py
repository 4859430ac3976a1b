"""Stops the stack."""

import time

from slipway import client, orphans, project, system, up
from slipway.processes import STOP


def down() -> int:
    """Stop the stack and what an earlier one left behind. Returns the exit code."""
    socket = project.environment()["PC_SOCKET_PATH"]
    start = time.monotonic()
    if up.is_starting(socket):
        print("A `just up` is under way. Waiting, to stop then what it starts.", flush=True)
        while up.is_starting(socket):
            time.sleep(0.05)
    running = client.processes(socket) is not None
    if running:
        client.tell("POST", "/project/stop", socket, timeout=STOP)
        while (left := orphans.find(socket)) and time.monotonic() - start < STOP:
            if all("process-compose up" in system.command(pid) for pid in left):
                orphans.stop(socket)  # it would stay where it shows itself in a terminal
            time.sleep(0.05)
    if orphans.find(socket):
        orphans.end(socket)
    elif not running:
        print("Nothing runs.")
        return 0
    print(f"Stopped in {time.monotonic() - start:.1f} s.")
    return 0
