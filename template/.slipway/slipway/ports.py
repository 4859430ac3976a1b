"""The ports that the project's processes listen on: well-formed, different and free."""

import contextlib
import errno
import fcntl
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway import Problem, client, dotenv, system
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
            if re.fullmatch(r"[1-9][0-9]{0,4}", value) and int(value) <= 65535:
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
        return family == socket.AF_INET6 and error.errno != errno.EADDRINUSE  # there may be none
    return True


@contextlib.contextmanager
def chosen(env: dict[str, str]) -> Iterator[None]:
    """Hold the lock of all stacks of this machine, with every port of *env* free.

    Where the stack of another folder has one, such as a second worktree's, ports ten or more higher
    are taken and kept in `ports.env`. Raises `Problem` if anybody else has one.
    """
    socket_path = Path(env["PC_SOCKET_PATH"])
    with socket_path.with_name("ports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second, where another stack starts
        ports = declared(env)
        others = _of_other_stacks(socket_path)
        taken = [p for p in ports if p.number in others or not is_free(p.number)]
        explicit = dotenv.read(ROOT / ".env") | os.environ
        fixed = {name for name, value in explicit.items() if value}
        # A container forwards the ports that devcontainer.json names.
        in_container = {"REMOTE_CONTAINERS", "CODESPACES"} & os.environ.keys()
        if any(in_container or p.variable in fixed or p.number not in others for p in taken):
            raise Problem("\n".join(describe_taken(port, ports) for port in taken))
        if taken:
            _move(ports, fixed, others, env)
        numbers = " ".join(str(port.number) for port in declared(env))
        socket_path.with_suffix(".ports").write_text(numbers)
        yield


def _of_other_stacks(socket_path: Path) -> set[int]:
    """Return the ports of the other stacks of this machine, also where nothing listens yet."""
    others = {file for file in socket_path.parent.glob("*.ports") if file.stem != socket_path.stem}
    running = [file for file in others if client.processes(file.with_suffix(".sock")) is not None]
    return {int(number) for file in running for number in file.read_text().split()}


def _move(ports: list[Port], fixed: set[str], others: set[int], env: dict[str, str]) -> None:
    for step in range(10, 1000, 10):
        numbers = {p.variable: p.number + step * (p.variable not in fixed) for p in ports}
        wanted = {*numbers.values()}
        if len(wanted) == len(ports) and not wanted & others and all(map(is_free, wanted)):
            break
    values = {name: str(number) for name, number in numbers.items() if name not in fixed}
    env |= values
    said = [f"{name}={value}" for name, value in values.items()]
    Path(env["DATA_DIR"], "ports.env").write_text("\n".join([*said, ""]))
    print(f"Another folder's stack has the ports of this one, which gets: {' '.join(said)}")


def describe_taken(port: Port, ports: list[Port]) -> str:
    """Say what has taken *port*, one of *ports*, and what to do."""
    where = "the environment" if os.environ.get(port.variable) else ".env"
    return (
        f"Port {port.number} ({port.service}) is taken by {holder(port.number)}.\n"
        "  Stop that (another project's stack: just down in its folder), or choose another port,\n"
        f"  in {where}: {port.variable}={_free_near(port.number, ports)}"
    )


def _free_near(number: int, ports: list[Port]) -> int:
    ours = {port.number for port in ports}
    higher = range(number + 1, 65536)
    return next((n for n in higher if n not in ours and is_free(n)), number)


def holder(number: int) -> str:
    """Describe the process that listens on this port, as far as the system tells us."""
    pid = system.listener(number)
    return system.describe(pid) if pid else "another user, or by a stack that is starting"
