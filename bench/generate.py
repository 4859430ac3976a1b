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
from bench.common import Goal, Samples

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
    common.report(options, "generate", samples, goals, {})


def measure(command: list) -> dict[str, float]:
    """The milliseconds of a command in a new empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        env = common.environment(NIX_CONFIG=NIX_CONFIG)
        common.run(*command, cwd=Path(folder), env=env)
        if not any(Path(folder).iterdir()):
            raise common.Failed(f"{command[0]} wrote nothing.")
        return {MS: (time.perf_counter() - start) * 1000}


def goals(samples: Samples) -> list[Goal]:
    """Two that were reached long ago: see that it stays so."""
    ours = common.median(samples, OURS, MS)
    others = [name for name in samples if name.startswith("co")]
    found = [Goal("A new project, by `just new`", ours, "<=", 100, "ms", 0)]
    if others:
        share = min(common.median(samples, name, MS) for name in others) / ours
        found.append(Goal("… so many times faster than the faster peer", share, ">=", 10, digits=0))
    return found
