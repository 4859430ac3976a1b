"""The servers of the tests: the fixtures of `workflows.fixtures`, against the SDK's defaults.

Each is started, runs 20 workflows of one activity one after the other, and is stopped, in a pytest
of its own. Only that is timed.
"""

import json

from bench import common
from bench.common import OURS, Bench, Turn, ratio

SIZE, UNIT = (20, 1), "workflows"
SKIPPING, DEV = "time-skipping, s", "dev server, s"
BARE = "SDK's defaults"
GOALS = [
    ("Tests: the time-skipping server", lambda s: ratio(s, OURS, BARE, SKIPPING), "<=", 1),
    ("… and the dev server, of the SDK's", lambda s: ratio(s, OURS, BARE, DEV), "<=", 1),
]


def turns(bench: Bench) -> dict[str, Turn]:
    def measure(kind: str) -> dict[str, float]:
        results = bench.folder / "seconds.json"
        env = common.development(bench.folder, KIND=kind, COUNT=bench.size, RESULTS=results)
        words = [common.PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
        words += ["--rootdir", common.TEMPLATE, common.CHILDREN / "test_servers.py"]
        common.run(*words, env=env | {"CI": "true"})  # nothing is skipped
        return json.loads(results.read_text())

    return {OURS: lambda: measure("slipway"), BARE: lambda: measure("sdk")}
