"""The servers of the tests: the fixtures of `workflows.fixtures`, against the SDK's defaults.

Each is started, runs 20 workflows of one activity one after the other, and is stopped, in a pytest
of its own. Only that is timed.
"""

import json
import tempfile
from argparse import Namespace
from pathlib import Path

from bench import common
from bench.common import Goal, Samples

SKIPPING, DEV = "time-skipping, s", "dev server, s"
BARE = "SDK's defaults"


def main(options: Namespace) -> None:
    count = 1 if options.tiny else options.size or 20
    turns = {
        name: lambda kind=kind: measure(kind, count)
        for name, kind in (("Slipway", "slipway"), (BARE, "sdk"))
    }
    samples = common.interleave(turns, options.rounds or 5)
    common.report(options, "servers", samples, goals, {"workflows": count})


def measure(kind: str, count: int) -> dict[str, float]:
    common.tool("temporal")
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "seconds.json"
        env = common.development(Path(name), KIND=kind, COUNT=count, RESULTS=results)
        words = [common.PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider",]
        words += ["-c", "pyproject.toml", "--rootdir", common.TEMPLATE]
        env["PYTHONPATH"] = f"{common.CHILDREN}:{common.TEMPLATE}"
        common.run(*words, common.CHILDREN / "test_servers.py", env=env | {"CI": "true"})
        return json.loads(results.read_text())


def goals(samples: Samples) -> list[Goal]:
    return [
        Goal(f"{title}, of the SDK's own", ratio, "<=", 1)
        for title, ratio in (
            ("Tests' time-skipping server", common.ratio(samples, "Slipway", BARE, SKIPPING)),
            ("Tests' dev server", common.ratio(samples, "Slipway", BARE, DEV)),
        )
    ]
