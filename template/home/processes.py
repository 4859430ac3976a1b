"""The processes of the running stack, as process-compose tells them over its socket."""

import http.client
import json
import os
import socket
from dataclasses import dataclass

# Seconds that process-compose may take to answer, for a page that somebody is waiting for.
TIMEOUT = 1


@dataclass(frozen=True)
class Process:
    """One process: ``state`` in words, and how its dot looks: good, waiting or bad."""

    name: str
    state: str
    dot: str
    restarts: int


def running() -> list[Process] | None:
    """Return the stack's processes by name, or None if this process is not part of a stack."""
    path = os.environ.get("PC_SOCKET_PATH")
    if not path:
        return None
    try:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(TIMEOUT)
        connection.sock.connect(path)
        connection.request("GET", "/processes")
        answer = json.load(connection.getresponse())
        connection.close()
        return sorted(map(_process, answer["data"]), key=lambda process: process.name)
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return None


def _process(answer: dict) -> Process:
    state, dot = answer["status"].lower(), "waiting"
    if state == "completed":
        state, dot = ("done", "good") if answer["exit_code"] == 0 else ("failed", "bad")
    elif state == "running":
        ready = not answer["has_ready_probe"] or answer["is_ready"] == "Ready"
        state, dot = ("ready", "good") if ready else ("starting", "waiting")
    elif state == "disabled":
        dot = "good"
    elif state in ("skipped", "error"):
        dot = "bad"
    return Process(answer["name"], state, dot, answer["restarts"])
