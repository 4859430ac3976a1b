"""Acts on single processes of the running stack: finds, restarts, stops and scales them."""

import re
import time

from slipway import Problem, client, orphans, project
from slipway.client import Process

# Seconds that a process may take to stop; longer than any time-out in `services/`.
STOP = 60


def find(name: str) -> list[Process]:
    """Return the process *name*, or all its replicas: `scale` renames them to `name-0`, …"""
    running = client.processes(_socket())
    if running is None:
        raise Problem(orphans.nothing_runs(_socket()))
    found = [p for p in running if name in (p.name, base_name(p.name))]
    if not found:
        known = ", ".join(sorted({base_name(p.name) for p in running}))
        raise Problem(f"There is no process {name}. Running are: {known}")
    return found


def base_name(name: str) -> str:
    """`mail-worker-1` and `mail-worker.1.log` -> `mail-worker`."""
    return re.sub(r"(-\d+|\.\d+\.log)$", "", name)


def restart(names: list[str]) -> int:
    """Restart processes, all replicas of each. Returns the exit code."""
    for process in [p for name in names for p in find(name)]:
        print(f"Restarting {process.name}", flush=True)
        stop([process])
        client.ask("POST", f"/process/restart/{process.name}", _socket())
    return 0


def stop(processes: list[Process]) -> None:
    """Stop *processes*, and return when they have ended. Raises `Problem` if they do not."""
    socket = _socket()
    names = {process.name for process in processes if process.active}
    for name in names:
        client.tell("PATCH", f"/process/stop/{name}", socket, timeout=0.2)
    give_up = time.monotonic() + STOP
    while True:
        running = client.processes(socket, timeout=client.SLOW)
        if running is None:
            raise Problem("process-compose does not answer. To see what is left: just doctor")
        busy = [process.name for process in running if process.name in names and process.active]
        if not busy:
            return
        if time.monotonic() > give_up:
            raise Problem(f"{', '.join(busy)} did not stop within {STOP} s. See: just logs")
        time.sleep(0.05)


def scale(name: str, replicas: int) -> int:
    """Run *replicas* of a process whose file in `services/` says `x-scalable: true`."""
    if replicas < 1:
        raise Problem("At least one is needed. To stop the stack: just down")
    one = find(name)[0].name
    if not client.declaration(one, _socket())[1].get("x-scalable"):
        raise Problem(f"{name} cannot run twice: it has one port, or one lock.")
    client.ask("PATCH", f"/process/scale/{one}/{replicas}", _socket())
    print(", ".join(p.name for p in find(name)))
    return 0


def _socket() -> str:
    return project.environment()["PC_SOCKET_PATH"]
