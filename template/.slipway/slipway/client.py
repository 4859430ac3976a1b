"""Asks process-compose what it runs, over its Unix socket. Nothing else reads its answers."""

import contextlib
import http.client
import json
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path

from slipway import Problem

# Seconds for a request that may have to wait until a worker has finished its work.
SLOW = 120


@dataclass(frozen=True)
class Process:
    """One process of the stack, as process-compose sees it."""

    name: str
    # `Running`, `Pending`, `Restarting`, `Completed`, `Skipped`, `Disabled`, …
    status: str
    # It does its work: its probe passes, or it has none and runs, or it ended with success.
    ready: bool
    has_probe: bool
    restarts: int
    # Seconds since its last start; 0 if it is not running.
    uptime: float
    exit_code: int
    pid: int

    @property
    def failed(self) -> bool:
        """It is not ready and nothing will start it again."""
        return self.status in {"Completed", "Skipped", "Error"} and not self.ready

    @property
    def active(self) -> bool:
        """It runs, or is about to end or to start."""
        return self.status in {"Running", "Restarting", "Terminating"}


@dataclass(frozen=True)
class Declaration:
    """What a file in `services/` says of a process, with its variables filled in."""

    command: str
    scalable: bool


def processes(socket_path: str | Path, timeout: float = 1) -> list[Process] | None:
    """Return the stack's processes by name, or None when no stack answers within *timeout* s."""
    try:
        answer = _request("GET", "/processes", socket_path, timeout)
        return sorted((_process(state) for state in answer["data"]), key=lambda p: p.name)
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return None


def declaration(name: str, socket_path: str | Path) -> Declaration:
    """Return how the process is declared. Raises `Problem` if process-compose does not say."""
    info = _ask("GET", f"/process/info/{name}", socket_path)
    # Their first letters are small since process-compose 1.110.
    info = {key.lower(): value for key, value in info.items()}
    extensions = info.get("extensions") or {}
    command = info.get("command") or shlex.join(info.get("entrypoint") or [])
    return Declaration(command, bool(extensions.get("x-scalable")))


def last_lines(name: str, count: int, socket_path: str | Path) -> list[str]:
    """Return the last *count* lines that are not empty of what the process has written."""
    try:
        lines = _request("GET", f"/process/logs/{name}/0/{count}", socket_path)["logs"] or []
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return []
    return [line for text in lines for line in text.splitlines() if line.strip()][-count:]


def tell_to_stop(name: str, socket_path: str | Path) -> None:
    """Have the process stopped, and do not wait until it has.

    process-compose can miss the end of a process that ends at once: it then waits for the whole
    time-out and fails. So its answer does not count, but what it says of its state.
    """
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        _request("PATCH", f"/process/stop/{name}", socket_path, timeout=0.2)


def restart(name: str, socket_path: str | Path) -> None:
    """Start the process anew. Raises `Problem`."""
    _ask("POST", f"/process/restart/{name}", socket_path)


def scale(name: str, replicas: int, socket_path: str | Path) -> None:
    """Have so many of the process run. Raises `Problem`."""
    _ask("PATCH", f"/process/scale/{name}/{replicas}", socket_path)


def stop_everything(socket_path: str | Path, timeout: float) -> None:
    """Stop all processes, and process-compose. Returns when that is done, or did not work."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        _request("POST", "/project/stop", socket_path, timeout)


def _ask(method: str, path: str, socket_path: str | Path) -> dict:
    try:
        return _request(method, path, socket_path, timeout=SLOW)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Problem(f"process-compose: {error}") from None


def _request(method: str, path: str, socket_path: str | Path, timeout: float = 1) -> dict:
    """Send one request to process-compose and return its JSON answer.

    *timeout* is in seconds, for each socket operation. Raises `OSError` when nothing answers
    and `ValueError`, with process-compose's own words, when it refuses.
    """
    connection = _UnixConnection("localhost", timeout=timeout)
    connection.path = str(socket_path)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        answer = json.load(response)
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ValueError(answer.get("error", f"HTTP {response.status}"))
    return answer


class _UnixConnection(http.client.HTTPConnection):
    path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _process(state: dict) -> Process:
    status, has_probe = state["status"], state["has_ready_probe"]
    if status == "Completed":
        ready = state["exit_code"] == 0
    elif status == "Running":
        ready = not has_probe or state["is_ready"] == "Ready"
    else:
        ready = status == "Disabled"
    return Process(
        name=state["name"],
        status=status,
        ready=ready,
        has_probe=has_probe,
        restarts=state["restarts"],
        uptime=state["age"] / 1e9 if state["is_running"] else 0,
        exit_code=state["exit_code"],
        pid=state["pid"],
    )
