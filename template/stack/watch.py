"""Looks at a running stack: `wait`, `status`, `logs`; and acts on one process of it."""

import contextlib
import http.client
import json
import os
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

from stack import client, project, up
from stack.client import Process
from stack.project import Problem

APPEAR = 2.0
"""Seconds that `wait` gives a `just up` in another terminal to begin."""
CRASHES = 5
"""Restarts that `wait` sees before it calls a process hopeless."""
STOP = 60
"""Seconds that a process may take to stop; longer than any time-out in `services/`."""


def wait(timeout: float) -> int:
    """Wait until all processes are ready. Returns the exit code.

    Gives up after *timeout* seconds, and at once where waiting cannot help: naming the processes
    that are not ready, with their last lines.
    """
    socket = _socket()
    start = time.monotonic()
    seen: list[Process] = []
    crashes: dict[str, int] = {}
    while True:
        elapsed = time.monotonic() - start
        processes = client.processes(socket)
        if processes is None:
            if seen:
                raise Problem(f"The stack has stopped. Its last words: {_logs_dir()}")
            if elapsed > APPEAR and not up.is_starting(socket):
                raise Problem("Nothing runs here. To start it: just up -D")
        else:
            late = [process for process in seen if not process.ready]
            seen = processes
            waiting = [process for process in processes if not process.ready]
            if not waiting:
                last = f", {' and '.join(p.name for p in late)} last" if late else ""
                print(f"All is ready ({elapsed:.1f} s{last}): {up.address(project.environment())}")
                return 0
            for process in waiting:
                crashes.setdefault(process.name, process.restarts)
            if any(
                process.hopeless or process.restarts - crashes[process.name] >= CRASHES
                for process in waiting
            ):
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
        for line in _last_lines(process.name, socket, 10):
            print(f"  {line}", file=sys.stderr)
    print(f"\nThe whole logs are in {_logs_dir()}", file=sys.stderr)
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


def _last_lines(name: str, socket: str, count: int) -> list[str]:
    try:
        lines = client.request("GET", f"/process/logs/{name}/0/{count}", socket)["logs"] or []
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return []
    return [line for text in lines for line in text.splitlines() if line.strip()][-count:]


def status(as_json: bool) -> int:
    """Print every process and its state. Returns the exit code: 1 if nothing runs."""
    processes = client.processes(_socket())
    if as_json:
        print(json.dumps([asdict(process) for process in processes or []], indent=2))
    elif processes is None:
        print("Nothing runs here. To start it: just up")
    else:
        rows = [("PROCESS", "STATUS", "READY", "RESTARTS", "UP")]
        for p in processes:
            ready = "-" if p.status == "Disabled" else "yes" if p.ready else "no"
            rows.append((p.name, p.status, ready, str(p.restarts), _duration(p.uptime)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(map(str.ljust, row, widths)).rstrip())
    return 1 if processes is None else 0


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def logs(name: str | None, lines: int, follow: bool) -> int:
    """Show the last *lines* lines of a process, or of all; go on if *follow*.

    Reads the files, which also tell of a stack that has stopped. Does not return on success.
    """
    files = sorted(f for f in _logs_dir().glob("*.log") if re.search(r"\.\d+\.log$", f.name))
    names = sorted({_base(file.name) for file in files})
    if name is None or name in names:
        running = client.processes(_socket()) or []
        files = _without_former_replicas(files, running)
    if name is not None:
        files = [f for f in files if name in (_base(f.name), f.name.removesuffix(".log"))]
    if not files:
        known = f"Known are: {', '.join(names)}" if names else "Nothing has run yet: just up"
        raise Problem(f"There is no log of {name or 'any process'}. {known}")
    tail = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, files)]
    os.execvp("tail", tail)  # noqa: S606, S607


def _without_former_replicas(files: list[Path], running: list[Process]) -> list[Path]:
    current = {re.sub(r"-(\d+)$", r".\1", process.name) for process in running}
    current |= {f"{name}.0" for name in current}
    known = {_base(process.name) for process in running}
    return [f for f in files if f.stem in current or _base(f.name) not in known]


def restart(names: list[str]) -> int:
    """Restart processes, all replicas of each. Returns the exit code."""
    for process in [p for name in names for p in find(name)]:
        print(f"Restarting {process.name}", flush=True)
        stop([process])
        ask("POST", f"/process/restart/{process.name}")
    return 0


def stop(processes: list[Process]) -> None:
    """Stop *processes*, and return when they have ended. Raises `Problem` if they do not.

    process-compose can miss the end of a process that ends at once: it then waits for the whole
    time-out and fails. So its answer does not count, but what it says of their state.
    """
    active = ("Running", "Restarting", "Terminating")
    names = {process.name for process in processes if process.status in active}
    for name in names:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            client.request("PATCH", f"/process/stop/{name}", _socket(), timeout=0.2)
    give_up = time.monotonic() + STOP
    while busy := [
        state["name"]
        for state in ask("GET", "/processes")["data"]
        if state["name"] in names and state["status"] in active
    ]:
        if time.monotonic() > give_up:
            raise Problem(f"{', '.join(busy)} did not stop within {STOP} s. See: just logs")
        time.sleep(0.05)


def scale(name: str, replicas: int) -> int:
    """Run *replicas* of a process whose file in `services/` says `x-scalable: true`."""
    if replicas < 1:
        raise Problem("At least one is needed. To stop the stack: just down")
    one = find(name)[0].name
    config = ask("GET", f"/process/info/{one}")
    if not (config.get("Extensions") or {}).get("x-scalable"):
        raise Problem(f"{name} cannot run twice: it has one port, or one lock.")
    ask("PATCH", f"/process/scale/{one}/{replicas}")
    print(", ".join(p.name for p in find(name)))
    return 0


def find(name: str) -> list[Process]:
    """Return the process *name*, or all its replicas: `scale` renames them to `name-0`, …"""
    processes = client.processes(_socket())
    if processes is None:
        raise Problem("Nothing runs here. To start it: just up")
    found = [p for p in processes if name in (p.name, _base(p.name))]
    if not found:
        known = ", ".join(sorted({_base(p.name) for p in processes}))
        raise Problem(f"There is no process {name}. Running are: {known}")
    return found


def _base(name: str) -> str:
    """`mail-worker-1` and `mail-worker.1.log` -> `mail-worker`."""
    return re.sub(r"(-\d+|\.\d+\.log)$", "", name)


def ask(method: str, path: str) -> dict:
    """Send a request to process-compose. Raises `Problem` if that fails."""
    try:
        return client.request(method, path, _socket(), timeout=120)  # a worker may have to drain
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Problem(f"process-compose: {error}") from None


def _socket() -> str:
    return project.environment()["PC_SOCKET_PATH"]


def _logs_dir() -> Path:
    return Path(project.environment()["DATA_DIR"]) / "logs"
