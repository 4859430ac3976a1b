"""Shows what the processes have written: the files below `DATA_DIR/logs`."""

import os
import re
from pathlib import Path

from slipway import Problem, client, project
from slipway.client import Process
from slipway.processes import base_name


def folder() -> Path:
    """Return where the logs are."""
    return Path(project.environment()["DATA_DIR"]) / "logs"


def logs(name: str | None, lines: int, follow: bool) -> int:
    """Show the last *lines* lines of a process, or of all; go on if *follow*.

    Reads the files, which also tell of a stack that has stopped. Does not return on success.
    """
    files = sorted(f for f in folder().glob("*.log") if re.search(r"\.\d+\.log$", f.name))
    names = sorted({base_name(file.name) for file in files})
    if name is None or name in names:
        running = client.processes(project.environment()["PC_SOCKET_PATH"]) or []
        files = _without_former_replicas(files, running)
    if name is not None:
        files = [f for f in files if name in (base_name(f.name), f.name.removesuffix(".log"))]
    if not files:
        known = f"Known are: {', '.join(names)}" if names else "Nothing has run yet: just up"
        raise Problem(f"There is no log of {name or 'any process'}. {known}")
    tail = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, files)]
    os.execvp("tail", tail)  # noqa: S606, S607


def _without_former_replicas(files: list[Path], running: list[Process]) -> list[Path]:
    current = {re.sub(r"-(\d+)$", r".\1", process.name) for process in running}
    current |= {f"{name}.0" for name in current}
    known = {base_name(process.name) for process in running}
    return [f for f in files if f.stem in current or base_name(f.name) not in known]
