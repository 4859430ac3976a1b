"""The ports that the project's processes listen on: well-formed, different and free."""

import contextlib
import errno
import fcntl
import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway import Problem, dotenv, system
from slipway.project import ROOT, service_files

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
    """Return whether a process could listen on this port, and nobody does at localhost's other
    address: a client that says localhost may try that one first."""
    return _can_listen(socket.AF_INET, "127.0.0.1", number) and _can_listen(
        socket.AF_INET6, "::1", number
    )


def _can_listen(family: socket.AddressFamily, address: str, number: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, number))
    except OSError as error:
        # Many machines have no IPv6.
        return family == socket.AF_INET6 and error.errno != errno.EADDRINUSE
    return True


@contextlib.contextmanager
def chosen(env: dict[str, str]) -> Iterator[None]:
    """Hold the lock of all stacks of this machine, with every port of *env* free.

    Where the stack of another folder has one, such as a second worktree's, ports ten or more higher
    are taken and kept in `ports.env`. Raises `Problem` if anybody else has one.
    """
    with open(Path(env["PC_SOCKET_PATH"]).with_name("ports.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another stack of this machine is starting. Waiting.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        ports = declared(env)
        taken = [port for port in ports if not is_free(port.number)]
        explicit = dotenv.read(ROOT / ".env") | os.environ
        fixed = {name for name, value in explicit.items() if value}
        # A container forwards the ports that devcontainer.json names.
        in_container = {"REMOTE_CONTAINERS", "CODESPACES"} & os.environ.keys()
        if taken and (in_container or any(p.variable in fixed or _by_stranger(p) for p in taken)):
            raise Problem("\n".join(describe_taken(port, ports) for port in taken))
        if taken:
            _move(ports, fixed, env)
        yield


def _by_stranger(port: Port) -> bool:
    """Whether something has the port that is no process of a stack."""
    return system.variable(system.listener(port.number) or 0, "PC_SOCKET_PATH") is None


def _move(ports: list[Port], fixed: set[str], env: dict[str, str]) -> None:
    for step in range(10, 1000, 10):
        numbers = {p.variable: p.number + step * (p.variable not in fixed) for p in ports}
        if len({*numbers.values()}) == len(ports) and all(map(is_free, numbers.values())):
            break
    values = {name: str(number) for name, number in numbers.items() if name not in fixed}
    env |= values
    said = [f"{name}={value}" for name, value in values.items()]
    Path(env["DATA_DIR"]).mkdir(parents=True, exist_ok=True)
    Path(env["DATA_DIR"], "ports.env").write_text("\n".join([*said, ""]))
    print(f"Another folder's stack has the ports of this one, which gets: {' '.join(said)}")


def describe_taken(port: Port, ports: list[Port]) -> str:
    """Say what has taken *port*, one of *ports*, and what to do."""
    return (
        f"Port {port.number} ({port.service}) is taken by {holder(port.number)}.\n"
        "  Stop that (another project's stack: just down in its folder), or choose another port,\n"
        f"  in .env: {port.variable}={_free_near(port.number, ports)}"
    )


def _free_near(number: int, ports: list[Port]) -> int:
    ours = {port.number for port in ports}
    higher = range(number + 1, 65536)
    return next((n for n in higher if n not in ours and is_free(n)), number)


def holder(number: int) -> str:
    """Describe the process that listens on this port, as far as the system tells us."""
    pid = system.listener(number)
    return "a process of another user" if pid is None else system.describe(pid)
