"""Asks a running stack what it is doing, over process-compose's Unix socket."""

import http.client
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process of the stack, as process-compose sees it."""

    name: str
    status: str
    """`Running`, `Pending`, `Restarting`, `Completed`, `Skipped`, `Disabled`, …"""
    ready: bool
    """It does its work: its probe passes, or it has none and runs, or it ended with success."""
    has_probe: bool
    restarts: int
    uptime: float
    """Seconds since its last start; 0 if it is not running."""
    exit_code: int
    pid: int

    @property
    def hopeless(self) -> bool:
        """It is not ready and nothing will start it again."""
        return self.status in {"Completed", "Skipped", "Error"} and not self.ready


def processes(socket_path: str | Path | None = None) -> list[Process] | None:
    """Return the stack's processes by name, or None when no stack answers within a second.

    *socket_path* defaults to `PC_SOCKET_PATH`, which every process of a stack inherits.
    """
    socket_path = socket_path or os.environ.get("PC_SOCKET_PATH")
    if not socket_path:
        return None
    try:
        answer = request("GET", "/processes", socket_path)
        return sorted((_process(state) for state in answer["data"]), key=lambda p: p.name)
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return None


def request(method: str, path: str, socket_path: str | Path, timeout: float | None = 1) -> dict:
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
