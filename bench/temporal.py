"""Temporal: one workflow at a time, and 50 in flight, against the defaults of server and SDK.

A workflow has one activity that does nothing. Slipway's side is the command in
services/temporal.yaml and the workers of `workflows.worker`; the other is the dev server with a
database file and a `Worker` with nothing set. Each turn has a new server.
"""

import contextlib
import json
import re
import tempfile
from argparse import Namespace
from pathlib import Path

import yaml

from bench import common
from bench.common import Goal, Samples

ONE, RATE, P95 = "one at a time, ms", "workflows/s", "p95, s"
BARE = "SDK's and server's defaults"


def main(options: Namespace) -> None:
    singles, flood = (2, 4) if options.tiny else (30, options.size or 300)
    turns = {
        name: lambda kind=kind: measure(kind, singles, flood)
        for name, kind in (("Slipway", "slipway"), (BARE, "sdk"))
    }
    samples = common.interleave(turns, options.rounds or 5)
    settings = {"one at a time": singles, "workflows": flood, "in flight": 50}
    common.report(options, "temporal", samples, goals, settings)


def goals(samples: Samples) -> list[Goal]:
    def ratio(what: str) -> float:
        return common.ratio(samples, "Slipway", BARE, what)

    return [
        Goal("Temporal: one workflow, of the defaults' time", ratio(ONE), "<=", 0.35),
        Goal("50 workflows in flight, of the defaults' rate", ratio(RATE), ">=", 2),
        Goal("… and of their p95", ratio(P95), "<=", 0.25),
    ]


def server_command(port: int, ui: int) -> str:
    """The shell's command in services/temporal.yaml, with these ports."""
    file = common.TEMPLATE / "services/temporal.yaml"
    command = yaml.safe_load(file.read_text())["processes"]["temporal"]["command"]
    ports = {"TEMPORAL_PORT": str(port), "TEMPORAL_UI_PORT": str(ui)}
    pattern = r"\$\{(\w+):-([^}]*)\}"
    return re.sub(pattern, lambda match: ports.get(match[1], match[2]), command).replace("$$", "$")


@contextlib.contextmanager
def server(folder: Path, kind: str = "slipway"):
    """A Temporal server of this kind; its port."""
    common.tool("temporal")
    port, ui = common.free_port(), common.free_port()
    command = server_command(port, ui)
    if kind == "sdk":
        command = (
            f"exec temporal server start-dev --ip 127.0.0.1 --port {port} --ui-port {ui}"
            f" --db-filename {folder}/default.db --log-level error"
        )
    env = common.development(folder)
    log = folder / "temporal.log"
    ready = lambda: common.listens(port)  # noqa: E731
    with common.running("sh", "-c", command, ready=ready, log=log, env=env):
        yield port


def measure(kind: str, singles: int, flood: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name, server(Path(name), kind) as port:
        folder, env = Path(name), common.development(Path(name), TEMPORAL_PORT=port)
        script, log = common.CHILDREN / "temporal_load.py", Path(name) / "worker.log"
        worker = [common.PYTHON, script, kind]
        ready = lambda: "ready" in log.read_text()  # noqa: E731
        with common.running(*worker, ready=ready, log=log, env=env, cwd=folder):
            said = common.run(common.PYTHON, script, "load", singles, flood, env=env, cwd=folder)
    return json.loads(said)
