"""A small project with processes of its own, run by the real process-compose.

Its Django is a stand-in, which loads the settings and nothing else.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from free_ports import free_port

TEMPLATE = Path(__file__).resolve().parents[2] / "template"

HEAD = """\
version: "0.5"
is_strict: true
ordered_shutdown: true
shell: {shell_command: sh, shell_argument: -c}
x-log: &log
  disable_json: true
  no_metadata: true
  no_color: true
  fields_order: [message]
  flush_each_line: true
  rotation: {max_size_mb: 10}
processes:
"""

WEB = """\
  web:
    command: exec python -u -m http.server --bind 127.0.0.1 ${WEB_PORT:-8000}
    availability: {restart: always, backoff_seconds: 1}
    readiness_probe:
      exec: {command: "exec python -IS .slipway/ready.py http ${WEB_PORT:-8000} /"}
      period_seconds: 5
      timeout_seconds: 15
      failure_threshold: 1000000
    shutdown: {timeout_seconds: 10}
    log_location: ${DATA_DIR:-.data}/logs/web.{PC_REPLICA_NUM}.log
    log_configuration: *log
"""

WORKER = """\
  worker:
    command: >-
      exec python -u -c "import os, sys, time; sys.path.insert(0, '.');
      from config import heartbeat; print('working as', os.environ['PC_REPLICA_NUM']);
      [(heartbeat.beat(), time.sleep(1)) for _ in range(1000)]"
    availability: {restart: always, backoff_seconds: 1}
    x-scalable: true
    readiness_probe:
      exec:
        command: exec sh .slipway/heartbeat.sh .data/run/worker.$$PC_REPLICA_NUM
      period_seconds: 5
      timeout_seconds: 15
      failure_threshold: 1000000
    shutdown: {timeout_seconds: 10}
    log_location: .data/logs/worker.{PC_REPLICA_NUM}.log
    log_configuration: *log
"""

UV = """\
#!/bin/sh
echo "uv $*"
mkdir -p .venv/bin
ln -sf "$BASE_PYTHON" .venv/bin/python
"""


DJANGO = """\
import importlib, os

def setup():
    importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
"""


class Project:
    """A project with a copy of `.slipway/`, services of its own and a `uv` without a network."""

    def __init__(self, root: Path, runtime_dir: Path) -> None:
        self.root = root
        self.port = free_port()
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(TEMPLATE / ".slipway", root / ".slipway", ignore=caches)
        self.write("config/__init__.py", "")
        self.write("config/settings.py", "")
        shutil.copy(TEMPLATE / "config/heartbeat.py", root / "config")
        self.write("django/__init__.py", DJANGO)
        self.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["tasks"]\n')
        self.write("uv.lock", "")
        self.services(WEB)
        self.write("bin/uv", UV).chmod(0o755)
        self.write("bin/python", "")
        (root / "bin" / "python").unlink()
        (root / "bin" / "python").symlink_to(Path(sys.executable).resolve())
        # Alone: next to it in .tools/bin are tools that a test wants to be missing.
        (root / "bin" / "process-compose").symlink_to(shutil.which("process-compose"))
        keep = {name: os.environ[name] for name in ("HOME", "TERM") if name in os.environ}
        self.env = keep | {
            "PATH": f"{root / 'bin'}:/usr/bin:/bin",
            "BASE_PYTHON": str(Path(sys.executable).resolve()),
            "XDG_RUNTIME_DIR": str(runtime_dir),
            "DEV_TOOLS": "wheels",
            "WEB_PORT": str(self.port),
        }

    def write(self, name: str, text: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def services(self, processes: str) -> None:
        self.write("services/app.yaml", HEAD + processes)

    def command(self, *arguments: str) -> list[str]:
        return [str(self.root / "bin" / "python"), ".slipway", *arguments]

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment; its two outputs come as one."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )

    def ok(self, *arguments: str, **env: str) -> str:
        result = self.run(*arguments, **env)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def refused(self, *arguments: str, **env: str) -> str:
        """Run a command that must fail in words, and return them."""
        result = self.run(*arguments, **env)
        assert result.returncode == 1, result.stdout
        assert "Traceback" not in result.stdout
        return result.stdout

    def status(self) -> dict[str, dict]:
        return {p["name"]: p for p in json.loads(self.run("status", "-o", "json").stdout)}

    def processes(self) -> dict[int, str]:
        """Return all that runs in the project's name: process id -> command."""
        marks = str(self.root).encode(), f"BASE_PYTHON={self.env['BASE_PYTHON']}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # another user's, or gone meanwhile
                environ = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
                if command and all(mark in environ for mark in marks):
                    found[int(folder.name)] = command.strip()
        return found

    def pid(self, part: str) -> int:
        """Return the process whose command holds *part*."""
        found: list[int] = []

        def one() -> bool:  # for an instant, a process that was just forked looks like its parent
            found[:] = [pid for pid, command in self.processes().items() if part in command]
            return len(found) == 1

        wait_for(one)
        return found[0]

    def kill_server(self) -> None:
        """`kill -9` of process-compose."""
        pid = self.pid("process-compose")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in self.processes())


def wait_for(condition: Callable[[], object], timeout: float = 15) -> object:
    """Return the condition's result once it is true."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return result
