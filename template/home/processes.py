"""The processes of the running stack, as process-compose tells them over its socket."""

import contextlib
import http.client
import json
import os
import re
import socket
import threading
from dataclasses import dataclass
from urllib.parse import quote

# Seconds that process-compose may take to answer, for a page that somebody is waiting for.
TIMEOUT = 1
# Seconds until a restart begins: the answer to the one who asked leaves first, also where the
# process that gives it is the one to restart.
RESTART_AFTER = 0.3
# Seconds that a restart may take: a worker ends its task first.
RESTART_TIMEOUT = 60
# What terminals understand, such as colours, and other characters that cannot be seen.
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\].*?(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Process:
    """One process: ``state`` in words, and how its dot looks: good, waiting or bad."""

    name: str
    state: str
    dot: str
    restarts: int


def running() -> list[Process] | None:
    """Return the stack's processes by name, or None if this process is not part of a stack."""
    try:
        answer = _request("GET", "/processes")
        return sorted(map(_process, answer["data"]), key=lambda process: process.name)
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return None


def last_lines(name: str, count: int = 12) -> list[str]:
    """Return the last lines that a process has written, as plain text."""
    try:
        texts = _request("GET", f"/process/logs/{quote(name, safe='')}/0/{count}")["logs"] or []
    except (OSError, http.client.HTTPException, LookupError, ValueError):
        return []
    lines = [CONTROL.sub("", line) for text in texts for line in text.splitlines()]
    return [line for line in lines if line.strip()][-count:]


def restart(name: str) -> None:
    """Have a process restarted, in a moment, and do not wait for it."""

    def ask() -> None:
        # What became of it is seen in the list. This process may be the one that ends.
        with contextlib.suppress(OSError, http.client.HTTPException, LookupError, ValueError):
            _request("POST", f"/process/restart/{quote(name, safe='')}", RESTART_TIMEOUT)

    timer = threading.Timer(RESTART_AFTER, ask)
    timer.daemon = True
    timer.start()


def _request(method: str, path: str, timeout: float = TIMEOUT) -> dict:
    """Send a request. Raises `KeyError` outside of a stack, and whatever goes wrong."""
    with contextlib.closing(http.client.HTTPConnection("localhost")) as connection:
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(timeout)
        connection.sock.connect(os.environ["PC_SOCKET_PATH"])
        connection.request(method, path)
        return json.load(connection.getresponse())


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
