"""How long it takes to make a project, beside the peers if their folder is given.

The peers' work after the copy (formatting, Git, installing) is left out; only what each generator
itself does is timed.
"""

import shutil
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

from bench import common, peers

MS = "ms"
OURS, NIX = "just new", "nix flake init"
NIX_CONFIG = "experimental-features = nix-command flakes\nbuild-users-group =\nsandbox = false"


def main(options: Namespace) -> None:
    commands = {OURS: [sys.executable, common.ROOT / "generate.py", "shop"]}
    if shutil.which("nix"):
        commands[NIX] = ["nix", "flake", "init", "-t", common.ROOT]
    if options.peers:
        keel, cutter = (options.peers / name for name in common.PEERS)
        both = "--data=background_tasks=both"
        commands["copier, django-keel"] = [*peers.COPIER, both, keel, "shop"]
        commands["cookiecutter-django"] = [*peers.COOKIECUTTER, cutter, "use_celery=y"]
    turns = {name: lambda words=words: measure(words) for name, words in commands.items()}
    samples = common.interleave(turns, options.rounds or 7, warm_up=1)
    common.report(options, "generate", samples, lambda _: [], {})


def measure(command: list) -> dict[str, float]:
    """The milliseconds of a command in a new empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        env = common.environment(NIX_CONFIG=NIX_CONFIG)
        common.run(*command, cwd=Path(folder), env=env)
        if not any(Path(folder).iterdir()):
            raise common.Failed(f"{command[0]} wrote nothing.")
        return {MS: (time.perf_counter() - start) * 1000}
