"""The processes of the running stack, as process-compose tells them over its socket."""

import contextlib
import http.client
import json
import os
import re
import socket
import threading
from dataclasses import dataclass

# Seconds that process-compose may take to answer, for a page that somebody is waiting for.
TIMEOUT = 1
# Seconds until a restart begins: the answer leaves first, also that of the process to restart.
RESTART_AFTER = 0.3
# What terminals understand, such as colours, and other characters that cannot be seen.
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\].*?(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, order=True)
class Process:
    """One process: ``state`` in words, and how its dot looks: good, waiting, bad or off."""

    name: str
    state: str
    dot: str
    restarts: int


def running() -> list[Process]:
    """Return the stack's processes by name; none if this process is not part of a stack."""
    try:
        return sorted(map(_process, _request("GET", "/processes").get("data", [])))
    except LookupError:  # another version of process-compose
        return []


def last_lines(name: str, count: int = 12) -> list[str]:
    """Return the last lines that a process of the stack has written, as plain text."""
    texts = _request("GET", f"/process/logs/{name}/0/{count}").get("logs") or []
    lines = [CONTROL.sub("", line) for text in texts for line in text.splitlines()]
    return [line for line in lines if line.strip()][-count:]


def restart(name: str) -> None:
    """Have a process of the stack restarted, in a moment, and do not wait for it."""
    timer = threading.Timer(RESTART_AFTER, _request, ("POST", f"/process/restart/{name}"))
    timer.daemon = True  # this process may be the one that ends
    timer.start()


def _request(method: str, path: str) -> dict:
    """Return what process-compose answers; nothing outside of a stack, or if it does not."""
    with contextlib.closing(http.client.HTTPConnection("localhost")) as connection:
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(TIMEOUT)
            connection.sock.connect(os.environ["PC_SOCKET_PATH"])
            connection.request(method, path)
            return json.load(connection.getresponse())
        except (OSError, http.client.HTTPException, LookupError, ValueError):
            return {}


def _process(answer: dict) -> Process:
    state, dot = answer["status"].lower(), "waiting"
    if state == "completed":
        state, dot = ("done", "good") if answer["exit_code"] == 0 else ("failed", "bad")
    elif state == "running":
        ready = not answer["has_ready_probe"] or answer["is_ready"] == "Ready"
        state, dot = ("ready", "good") if ready else ("starting", "waiting")
    elif state == "disabled":
        dot = "off"
    elif state in ("skipped", "error"):
        dot = "bad"
    return Process(answer["name"], state, dot, answer["restarts"])
