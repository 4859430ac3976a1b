"""Waits until everything is ready, or until waiting cannot help."""

import sys
import time

from slipway import Problem, client, logs, orphans, project, up
from slipway.client import Process

# Seconds that `wait` gives a `just up` in another terminal to begin.
APPEAR = 2.0
# Restarts that `wait` sees before it says that a process has failed.
CRASHES = 5


def wait(timeout: float) -> int:
    """Wait until all processes are ready. Returns the exit code.

    Gives up after *timeout* seconds, and at once where waiting cannot help: naming the processes
    that are not ready, with their last lines.
    """
    socket = project.environment()["PC_SOCKET_PATH"]
    start = time.monotonic()
    seen: list[Process] = []
    crashes: dict[str, int] = {}
    while True:
        elapsed = time.monotonic() - start
        processes = client.processes(socket)
        if processes is None:
            if seen:
                raise Problem(f"The stack has stopped. Its last words: {logs.folder()}")
            if elapsed > APPEAR and not up.is_starting(socket):
                raise Problem(orphans.nothing_runs(socket))
        else:
            late = [process for process in seen if not process.ready]
            seen = processes
            waiting = [process for process in processes if not process.ready]
            if not waiting:
                last = f", {' and '.join(p.name for p in late)} last" if late else ""
                web = any(p.name == "django" and p.status == "Disabled" for p in processes)
                where = up.address(project.environment(), web)
                print(f"All is ready ({elapsed:.1f} s{last}): {where}")
                return 0
            for p in waiting:
                crashes.setdefault(p.name, p.restarts)
            if any(p.failed or p.restarts - crashes[p.name] >= CRASHES for p in waiting):
                return _give_up(waiting, socket, "Waiting does not help:")
        if elapsed > timeout:
            waiting = [process for process in seen if not process.ready]
            return _give_up(waiting, socket, f"Not ready after {timeout:g} s:")
        time.sleep(0.1)


def _give_up(waiting: list[Process], socket: str, why: str) -> int:
    print(why, file=sys.stderr)
    # Those that failed come first, then those that were skipped because of them.
    for process in sorted(waiting, key=lambda p: (p.status == "Skipped", p.name)):
        print(f"\n{process.name}: {_describe(process)}", file=sys.stderr)
        for line in client.last_lines(process.name, 10, socket):
            print(f"  {line}", file=sys.stderr)
    print(f"\nThe whole logs are in {logs.folder()}", file=sys.stderr)
    return 1


def _describe(process: Process) -> str:
    if process.status == "Skipped":
        return "skipped, because a process that it needs has failed"
    restarts = f", restarted {process.restarts} times" if process.restarts else ""
    if process.status in ("Completed", "Error"):
        return f"failed with exit code {process.exit_code}{restarts}"
    if process.status == "Running":
        return f"running, but not ready{restarts}"
    return process.status.lower() + restarts
