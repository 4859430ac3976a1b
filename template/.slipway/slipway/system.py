"""What the operating system knows about processes: from `/proc`, or on macOS from ps and lsof."""

import contextlib
import os
import subprocess
from pathlib import Path

from slipway.project import VENV

PROC = Path("/proc")
HAS_PROC = (PROC / "self" / "environ").exists()


def describe(pid: int) -> str:
    """Describe a process: its command, its id and, if it can be known, its folder."""
    what = command(pid).replace(f"{VENV}/bin/", "") or "a process"
    what = what if len(what) <= 60 else what[:59] + "…"
    with contextlib.suppress(OSError):
        return f"{what} (pid {pid}, in {(PROC / str(pid) / 'cwd').readlink()})"
    return f"{what} (pid {pid})"


def command(pid: int) -> str:
    """Return a process's command line; empty if it has gone."""
    if HAS_PROC:
        with contextlib.suppress(OSError):
            line = (PROC / str(pid) / "cmdline").read_bytes()
            return line.replace(b"\0", b" ").decode(errors="replace").strip()
        return ""
    return _output("ps", "-ww", "-o", "command=", "-p", str(pid)).strip()


def listener(port: int) -> int | None:
    """Return the process that listens on this TCP port, if we may know it."""
    if not HAS_PROC:
        pids = _output("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t").split()
        return int(pids[0]) if pids else None
    sockets = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:  # listens
                    sockets.add(f"socket:[{fields[9]}]")
    for folder in PROC.glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            for descriptor in os.listdir(folder):
                with contextlib.suppress(OSError):
                    if os.readlink(folder / descriptor) in sockets:
                        return int(folder.parent.name)
    return None


def with_environment(entry: str) -> dict[int, int]:
    """Return our processes that have *entry* in their environment: id -> parent's id."""
    found = {}
    if not HAS_PROC:
        # -E: with the environment.
        for row in _output("ps", "-axEww", "-o", "pid=,ppid=,command=").splitlines():
            pid, parent, *words = row.split()
            if entry in words:
                found[int(pid)] = int(parent)
        return found
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if entry.encode() in (folder / "environ").read_bytes().split(b"\0"):
                # The name, in parentheses, may hold anything.
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(folder.name)] = int(parent)
    return found


def _output(*arguments: str) -> str:
    try:
        return subprocess.run(arguments, capture_output=True, text=True).stdout
    except OSError:
        return ""
