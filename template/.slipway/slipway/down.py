"""Stops the stack."""

import time

from slipway import client, orphans, project
from slipway.processes import STOP


def down() -> int:
    """Stop the stack and what an earlier one left behind. Returns the exit code."""
    socket = project.environment()["PC_SOCKET_PATH"]
    start = time.monotonic()
    running = client.processes(socket) is not None
    if running:
        client.stop_everything(socket, timeout=STOP)
        while orphans.find(socket) and time.monotonic() - start < STOP:
            time.sleep(0.05)
    if orphans.find(socket):
        orphans.end(socket)
    elif not running:
        print("Nothing runs.")
        return 0
    print(f"Stopped in {time.monotonic() - start:.1f} s.")
    return 0
