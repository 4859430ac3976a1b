# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "copier>=9.4", "cookiecutter>=2.6",  # the peers' generators
#     "matplotlib>=3.9", "psutil>=6", "pyyaml>=6", "redis>=6", "tqdm>=4.66",
# ]
# ///
"""Measures Slipway beside its peers, in interleaved rounds: which goals are met, and by how much.

Results are written to docs/bench/NAME.json; the plot there, and the README's table, show them all.
"""

import argparse
import importlib
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs/bench"
sys.path[0] = str(ROOT)  # not this folder: bench/celery.py would hide Celery

NAMES = ("temporal", "celery", "io", "signup", "telemetry", "stack", "announcement", "generate")


def stop(number: int, _: object) -> None:
    """Leave no process behind. `uv` and a terminal may both send the signal."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("name", nargs="?", help=f"one of {', '.join(NAMES)}, or all of them")
    parser.add_argument("folder", nargs="?", type=Path, help="the same as --peers")
    parser.add_argument("--peers", type=Path, help="clones of django-keel, cookiecutter-django")
    parser.add_argument("--rounds", type=int, default=5, help="of each contestant")
    parser.add_argument("--size", type=int, help="how much is done in one round")
    parser.add_argument("--append", action="store_true", help="add to the rounds in the file")
    parser.add_argument("--out", type=Path, default=RESULTS, help="docs/bench")
    parser.add_argument("--tiny", action="store_true", help="see whether it works, measure nothing")
    options = parser.parse_args()
    options.peers = options.peers or options.folder
    if options.name not in (None, "all", *NAMES):
        parser.error(f"There is no benchmark {options.name!r}; there are {', '.join(NAMES)}.")
    if options.rounds < 1 or (options.size is not None and options.size < 1):
        parser.error("--rounds and --size are 1 or more.")
    if options.tiny and options.out == RESULTS:
        parser.error("--tiny measures nothing: name another folder with --out.")
    from bench import common

    signal.signal(signal.SIGTERM, stop)
    try:
        common.check(options.peers)
        for name in NAMES if options.name in (None, "all") else [options.name]:
            common.measure(name, importlib.import_module(f"bench.{name}"), options)
        from bench import show  # now: it takes a while

        show.plot(options.out)
        if options.out == RESULTS:
            show.readme(options.out)
    except common.Failed as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main()
