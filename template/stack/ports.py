"""The ports that the project's processes listen on: well-formed, different and free."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.project import VENV, Problem, service_files

_DECLARATION = re.compile(r"\$\{(\w*PORT):-(\d+)\}")


@dataclass(frozen=True)
class Port:
    """A port that a file in `services/` takes from *variable*."""

    variable: str
    number: int
    service: str


def declared(env: dict[str, str]) -> list[Port]:
    """Return every `${SOME_PORT:-1234}` of `services/*.yaml`, with its value in *env*.

    Raises `Problem` for a value that is no port (process-compose would take 80 in silence) and
    for a number that two of them share.
    """
    ports: dict[str, Port] = {}
    bad = []
    for file in service_files():
        for variable, default in _DECLARATION.findall(file.read_text()):
            value = env.get(variable) or default
            if re.fullmatch(r"[0-9]{1,5}", value) and 1 <= int(value) <= 65535:
                ports[variable] = Port(variable, int(value), file.stem)
            else:
                bad.append(f"{variable}={value} is not a port: a number from 1 to 65535 is needed.")
    by_number: dict[int, Port] = {}
    for port in ports.values():
        other = by_number.setdefault(port.number, port)
        if other is not port:
            bad.append(f"{other.variable} and {port.variable} are both {port.number}: change one.")
    if bad:
        bad = list(dict.fromkeys(bad))
        raise Problem("\n".join([*bad, "Set it in .env, or in the environment, which wins."]))
    return list(ports.values())


def is_free(number: int) -> bool:
    """Return whether a process could listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def require_free(ports: list[Port]) -> None:
    """Raise `Problem` if one of *ports* is taken: by what, and what to do."""
    taken = [port for port in ports if not is_free(port.number)]
    if not taken:
        return
    lines = [
        f"Port {port.number} ({port.service}) is taken by {holder(port.number)}.\n"
        f"  Stop that, or choose another port: {port.variable}={_free_near(port.number, ports)}"
        for port in taken
    ]
    raise Problem("\n".join([*lines, "Nothing was started."]))


def _free_near(number: int, ports: list[Port]) -> int:
    ours = {port.number for port in ports}
    higher = range(number + 1, 65536)
    return next((n for n in higher if n not in ours and is_free(n)), number)


def holder(number: int) -> str:
    """Describe the process that listens on this port, as far as the system tells us."""
    by_proc = Path("/proc/net/tcp").exists()
    pid = _holder_by_proc(number) if by_proc else _holder_by_lsof(number)
    if pid is None:
        return "a process of another user"
    return describe(pid)


def describe(pid: int) -> str:
    """Describe a process: its command, its id and, if it can be known, its folder."""
    command = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
    ).stdout.strip()
    command = command.replace(f"{VENV}/bin/", "")
    if len(command) > 60:
        command = command[:59] + "…"
    with contextlib.suppress(OSError):
        return f"{command or 'a process'} (pid {pid}, in {os.readlink(f'/proc/{pid}/cwd')})"
    return f"{command or 'a process'} (pid {pid})"


def _holder_by_proc(number: int) -> int | None:
    listening = "0A"
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == listening and int(fields[1].rpartition(":")[2], 16) == number:
                    sockets.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            for descriptor in os.listdir(folder):
                with contextlib.suppress(OSError):
                    if os.readlink(folder / descriptor) in sockets:
                        return int(folder.parent.name)
    return None


def _holder_by_lsof(number: int) -> int | None:
    if not shutil.which("lsof"):
        return None
    found = subprocess.run(
        ["lsof", "-nP", f"-iTCP:{number}", "-sTCP:LISTEN", "-t"],  # noqa: S607
        capture_output=True,
        text=True,
    )
    return int(found.stdout.split()[0]) if found.stdout.split() else None
