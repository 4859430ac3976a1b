"""Starts the stack."""

import contextlib
import fcntl
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from slipway import Problem, client, django_setup, orphans, packages, ports, project, system

# Seconds that process-compose gets to answer.
START = 15


def up(arguments: list[str]) -> int:
    """Start the stack, and stay with it unless *arguments* hold `-D`.

    All other arguments go to `process-compose up`. Returns the exit code; raises `Problem` if
    nothing was started.
    """
    detached = any(argument in ("-D", "--detached") for argument in arguments)
    arguments = [argument for argument in arguments if argument not in ("-D", "--detached")]
    _require_known(arguments)
    env = project.environment()
    socket = env["PC_SOCKET_PATH"]
    with _starting(socket):
        _require_stopped(socket)
        project.require_data_folder(env)
        if not packages.is_current():
            packages.install(env, is_running=lambda: False)  # just checked
        with ports.chosen(env):
            django_setup.require(env)
            server = _start(arguments, env, detached)
    if detached:
        where = address(env, "web" in arguments)
        print(f"{where} starts in the background. To wait until all is ready: just wait")
        return 0
    return _stay(server, socket)


def is_starting(socket: str) -> bool:
    """Return whether a `just up` is under way that has not got as far as process-compose."""
    with open(f"{socket}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def address(env: dict[str, str], web: bool = False) -> str:
    """Return where the project's pages are: those of `just up web` have a port of their own."""
    port = env.get("WEB_PORT") or 8008 if web else env.get("DJANGO_PORT") or 8000
    return f"http://localhost:{port}"


@contextlib.contextmanager
def _starting(socket: str) -> Iterator[None]:
    with open(f"{socket}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem("Another `just up` of this project is just starting.") from None
        yield


def _require_known(arguments: list[str]) -> None:
    known = project.process_names()
    for before, argument in zip(["", *arguments], arguments, strict=False):
        # What follows an option may be its value.
        if not before.startswith("-") and not argument.startswith("-") and argument not in known:
            raise Problem(f"There is no process {argument}. Known are: {', '.join(known)}")


def _require_stopped(socket: str) -> None:
    found = orphans.find(socket)
    servers = [pid for pid in found if "process-compose up" in system.command(pid)]
    if client.processes(socket) is not None:
        pid = f", pid {servers[0]}" if servers else ""
        raise Problem(
            f"The stack runs already: {address(project.environment())}\n"
            f"in {project.ROOT} (process-compose{pid}).\n"
            "To see it: just status. To stop it: just down. To start one: just restart NAME"
        )
    if servers:
        raise Problem(f"process-compose (pid {servers[0]}) does not answer. First: just down")
    if found:
        orphans.end(socket)


def _start(arguments: list[str], env: dict[str, str], detached: bool) -> subprocess.Popen:
    """Start process-compose and return it when it answers."""
    program = shutil.which("process-compose", path=env["PATH"])
    if program is None:
        raise Problem("process-compose is not on PATH. Run this through `nix develop` or `sh dev`.")
    log = Path(env["DATA_DIR"], "logs", "process-compose.log")
    log.unlink(missing_ok=True)  # or what it says of this start follows what it said of others
    # Kept even if all have ended, or nobody could ask why.
    command = [program, "up", "--keep-project", "-L", str(log)]
    for file in project.service_files():
        command += ["-f", str(file)]
    if detached or not (sys.stdin.isatty() and sys.stdout.isatty()):
        command.append("-t=false")
    how = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL) if detached else {}
    how |= {"cwd": project.ROOT, "env": env, "start_new_session": detached}
    server = subprocess.Popen([*command, *arguments], **how)
    if not detached:
        # After a Ctrl-C in the terminal process-compose has it too, and ignores the second.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: server.terminate())
    give_up = time.monotonic() + START
    while client.processes(env["PC_SOCKET_PATH"]) is None:
        if server.poll() is not None and (detached or server.returncode != 0):
            raise Problem(f"process-compose did not start:\n{_tail(log)}")
        if server.poll() is not None:
            break  # `up --dry-run`, or stopped at once
        if time.monotonic() > give_up:
            orphans.stop(env["PC_SOCKET_PATH"])
            raise Problem(f"process-compose did not answer within {START} s:\n{_tail(log)}")
        time.sleep(0.05)
    return server


def _stay(server: subprocess.Popen, socket: str) -> int:
    code = server.wait()
    if code >= 0:
        # Where it shows itself in a terminal, it ends with 1 when it is told to stop.
        return 0 if code == 1 and sys.stdin.isatty() else code
    print(f"process-compose was killed by signal {-code}.")
    orphans.end(socket)
    return 128 - code


def _tail(log: Path, lines: int = 5) -> str:
    with contextlib.suppress(OSError):
        text = re.sub(r"\x1b\[\d*m", "", log.read_text())  # its colours
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
    return ""
