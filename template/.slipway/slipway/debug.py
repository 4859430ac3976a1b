"""Runs one process of the stack here: for a debugger, and for `breakpoint()`."""

import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

from slipway import Problem, client, processes, project
from slipway.project import VENV


def debug(name: str) -> int:
    """Take the place of the process *name* in the running stack, and give it back at the end.

    The command runs in this very Python process, so a debugger that started this one sees it all.
    It does not reload. Returns the exit code.
    """
    env = project.environment()
    replicas = processes.find(name)
    first = replicas[0].name
    command, extensions = client.declaration(first, env["PC_SOCKET_PATH"])
    env = {name: str(value) for name, value in (extensions.get("x-debug") or {}).items()} | env
    os.environ.update(env, PC_PROC_NAME=first, PC_REPLICA_NUM="0")
    run = _python(name, command)
    print(f"In the stack, {name} is stopped meanwhile.", flush=True)
    _restart_afterwards(name)
    processes.stop(replicas)
    # The project's folder is the first one for modules, and this one is none at all.
    here = Path(__file__).resolve().parents[1]
    sys.path[:] = [str(project.ROOT), *(p for p in sys.path if Path(p).resolve() != here)]
    run()
    return 0


def _restart_afterwards(name: str) -> None:
    """Restart the process in the stack when this one has ended: debuggers end it by SIGKILL."""
    subprocess.Popen(
        ["sh", "-c", 'cat; exec "$0" .slipway restart "$1"', sys.executable, name],  # noqa: S607
        cwd=project.ROOT,
        env=os.environ | {"PC_SOCKET_PATH": ""},  # or `just down` would wait for it
        stdin=subprocess.PIPE,  # which closes with this process
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _python(name: str, command: str):
    """Return a function that does what a shell would do with this command of Python's."""
    command = command.strip().removeprefix("exec ").removeprefix("python .slipway/reload.py ")
    words = shlex.split(os.path.expandvars(command))
    if words[0] == "python":
        words = words[2:] if words[1] == "-u" else words[1:]
    elif (script := VENV / "bin" / words[0]).is_file() and script.read_bytes()[:2] == b"#!":
        words[0] = str(script)
    else:
        raise Problem(f"{name} cannot be debugged: it is no Python program.\n  {command}")
    if words[0] == "-m":
        sys.argv = words[1:]
        return lambda: runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    sys.argv = words
    return lambda: runpy.run_path(words[0], run_name="__main__")
