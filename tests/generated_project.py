"""A generated project on ports of its own, its commands, and its stack."""

import json
import os
import re
import socket
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from conftest import ROOT, run
from free_ports import free_port

PORTS = (
    *("DJANGO_PORT", "REDIS_PORT", "FLOWER_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT"),
    *("POSTGRES_PORT", "WEB_PORT"),
)
BARE_PATH = os.pathsep.join(
    entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(str(ROOT))
)


class Project:
    """A generated project on ports of its own. Without Nix, unless the environment says so."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {"DEV_NIX": "0", "PATH": BARE_PATH, **environment}
        self.environment |= {name: str(free_port()) for name in PORTS}

    def dev(self, *command: str, ok: bool = True):
        return run("sh", "dev", *command, cwd=self.folder, ok=ok, **self.environment)

    @contextmanager
    def stack(self, *names: str):
        """The stack, or those and what they need, all ready; afterwards nothing of it is left."""
        self.dev("just", "up", "-D", *names)
        try:
            self.dev("just", "wait")
            yield
        finally:
            self.dev("just", "down")
        assert not [name for name in PORTS if self.answers(name)]

    def processes(self) -> set[str]:
        status = json.loads(self.dev("just", "status", "-o", "json").stdout)
        assert all(process["ready"] for process in status)
        return {process["name"] for process in status if process["status"] != "Disabled"}

    def answers(self, port: str) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.environment[port]))) == 0

    def page(self, path: str = "/") -> str:
        address = f"http://127.0.0.1:{self.environment['DJANGO_PORT']}{path}"
        with urlopen(address, timeout=10) as answer:
            return answer.read().decode()

    def shows(self, path: str, text: str) -> bool:
        with suppress(OSError, HTTPException):  # no such page, or nobody who answers
            return text in self.page(path)
        return False

    def packages(self) -> set[str]:
        return set(
            re.findall(r'^name = "(.+)"', (self.folder / "uv.lock").read_text(), re.MULTILINE)
        )
