"""How long it takes to make a project, beside the peers if their folder is given.

The peers' work after the copy (formatting, Git, installing) is left out; only what each generator
itself does is timed.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench import common, peers
from bench.common import Bench, Turn

SIZE, UNIT = (1, 1), "projects"
GOALS: list[tuple] = []
NIX = "experimental-features = nix-command flakes\nbuild-users-group =\nsandbox = false"


def turns(bench: Bench) -> dict[str, Turn]:
    commands = {"just new": [sys.executable, common.ROOT / "generate.py", "shop"]}
    if shutil.which("nix"):
        commands["nix flake init"] = ["nix", "flake", "init", "-t", common.ROOT]
    if bench.peers:
        keel, cutter = (bench.peers / name for name in common.PEERS)
        both = "--data=background_tasks=both"
        commands["copier, django-keel"] = [*peers.COPIER, both, keel, "shop"]
        commands["cookiecutter-django"] = [*peers.COOKIECUTTER, cutter, "use_celery=y"]
    for words in commands.values():
        measure(words)  # caches
    return {name: lambda words=words: measure(words) for name, words in commands.items()}


def measure(command: list) -> dict[str, float]:
    """The milliseconds of a command in a new empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        common.run(*command, cwd=Path(folder), env=common.environment(NIX_CONFIG=NIX))
        seconds = time.perf_counter() - start
        if not any(Path(folder).iterdir()):
            raise common.Failed(f"{command[0]} wrote nothing.")
        return {"ms": seconds * 1000}
