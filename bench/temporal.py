"""Temporal: one workflow at a time, and 50 in flight, against the defaults of server and SDK.

A workflow has one activity that does nothing. Slipway's side is the command in
services/temporal.yaml and the workers of `workflows.worker`; the other is the dev server with a
database file and a `Worker` with nothing set. Each turn has a new server.
"""

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from bench import common
from bench.common import OURS, Bench, Turn, ratio

SIZE, UNIT = (300, 4), "workflows"
ONE, RATE, P95 = "one at a time, ms", "workflows/s", "p95, s"
BARE = "SDK's and server's defaults"
GOALS = [
    ("A workflow alone, of the defaults' time", lambda s: ratio(s, OURS, BARE, ONE), "<=", 0.35),
    ("… 50 in flight, of the defaults' rate", lambda s: ratio(s, OURS, BARE, RATE), ">=", 2),
    ("… and of their p95", lambda s: ratio(s, OURS, BARE, P95), "<=", 0.25),
]


def turns(bench: Bench) -> dict[str, Turn]:
    singles = 2 if bench.tiny else 30
    return {
        OURS: lambda: measure("slipway", singles, bench.size, bench.project),
        BARE: lambda: measure("sdk", singles, bench.size, bench.project),
    }


@contextlib.contextmanager
def server(folder: Path, kind: str = "slipway") -> Iterator[int]:
    """The port of a Temporal server: the one of services/temporal.yaml, or the defaults'."""
    program = common.tool("temporal")
    ports = {"TEMPORAL_PORT": common.free_port(), "TEMPORAL_UI_PORT": common.free_port()}
    file = common.TEMPLATE / "services/temporal.yaml"
    command = yaml.safe_load(file.read_text())["processes"]["temporal"]["command"]
    if kind == "sdk":
        command = (
            f"exec {program} server start-dev --log-level error --ip 127.0.0.1"
            " --port ${TEMPORAL_PORT:-} --ui-port ${TEMPORAL_UI_PORT:-}"
            f" --db-filename {folder}/default.db"
        )
    # As process-compose reads it.
    variable = re.compile(r"\$\{(\w+):-([^}]*)\}")
    command = variable.sub(lambda match: str(ports.get(match[1], match[2])), command)
    env, log = common.development(folder), folder / "temporal.log"
    words, port = ["sh", "-c", command.replace("$$", "$")], ports["TEMPORAL_PORT"]
    with common.running(*words, ready=port, log=log, env=env):
        yield port


def measure(kind: str, singles: int, flood: int, project: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name, server(Path(name), kind) as port:
        env = common.development(Path(name), TEMPORAL_PORT=port)
        env |= common.of_services() if kind == "slipway" else {}
        script = [common.PYTHON, common.CHILDREN / "temporal_load.py"]
        log = Path(name) / "temporal-worker.log"
        ready = lambda: "ready" in log.read_text()  # noqa: E731
        with common.running(*script, kind, ready=ready, log=log, env=env, cwd=project):
            return json.loads(common.run(*script, "load", singles, flood, env=env))
