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


def processes(socket_path: str | Path, timeout: float = 5) -> list[Process] | None:
    """Return the stack's processes by name, or None when no stack answers within *timeout* s."""
    try:
        answer = _request("GET", "/processes", socket_path, timeout)
        return sorted((_process(state) for state in answer["data"]), key=lambda p: p.name)
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return None


def declaration(name: str, socket_path: str | Path) -> tuple[str, dict]:
    """Return a process's command, with its variables filled in, and its entries like `x-scalable`.

    Raises `Problem` if process-compose does not say.
    """
    info = ask("GET", f"/process/info/{name}", socket_path)
    # Their first letters are small since process-compose 1.110.
    info = {key.lower(): value for key, value in info.items()}
    command = info.get("command") or shlex.join(info.get("entrypoint") or [])
    return command, info.get("extensions") or {}


def last_lines(name: str, count: int, socket_path: str | Path) -> list[str]:
    """Return the last *count* lines that are not empty of what the process has written."""
    try:
        lines = _request("GET", f"/process/logs/{name}/0/{count}", socket_path)["logs"] or []
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return []
    return [line for text in lines for line in text.splitlines() if line.strip()][-count:]


def tell(method: str, path: str, socket_path: str | Path, timeout: float) -> None:
    """Send one request, and wait for so many seconds for what may come of it.

    process-compose can miss the end of a process that ends at once: it then waits for the whole
    time-out and fails. So its answer does not count, but what it says of its state.
    """
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        _request(method, path, socket_path, timeout)


def ask(method: str, path: str, socket_path: str | Path) -> dict:
    """Send one request and return its answer. Raises `Problem`, with process-compose's words."""
    try:
        return _request(method, path, socket_path, timeout=SLOW)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Problem(f"process-compose: {error}") from None


def _request(method: str, path: str, socket_path: str | Path, timeout: float = 5) -> dict:
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
    status = state["status"]
    if status == "Completed":
        ready = state["exit_code"] == 0
    elif status == "Running":
        ready = not state["has_ready_probe"] or state["is_ready"] == "Ready"
    else:
        ready = status == "Disabled"
    return Process(
        name=state["name"],
        status=status,
        ready=ready,
        restarts=state["restarts"],
        uptime=state["age"] / 1e9 if state["is_running"] else 0,
        exit_code=state["exit_code"],
        pid=state["pid"],
    )
