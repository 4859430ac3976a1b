# /// script
# requires-python = ">=3.11"
# dependencies = ["copier>=9.4", "cookiecutter>=2.6"]
# ///
"""How long it takes to make a project, beside the peers, in one run.

    just bench generate PEERS

PEERS is a folder with clones of django-keel and cookiecutter-django. The peers' work after the
copy (formatting, Git, installing) is left out; only what each generator itself does is timed.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7
NIX_CONFIG = "experimental-features = nix-command flakes\nbuild-users-group =\nsandbox = false"


def main(peers: Path) -> None:
    for name in ("django-keel", "cookiecutter-django"):
        if not (peers / name).is_dir():
            sys.exit(f"{peers / name} is not there. PEERS must hold clones of both peers.")
    programs = Path(sys.executable).parent
    copier = [programs / "copier", "copy", "--defaults", "--trust", "--skip-tasks", "--quiet"]
    answers = ["--data=project_name=shop", "--data=project_description=A shop"]
    answers += ["--data=author_name=Ada", "--data=author_email=ada@example.com"]
    answers += ["--data=background_tasks=both"]
    cookiecutter = [programs / "cookiecutter", "--no-input", "--accept-hooks=no"]
    generators = {
        "just new": [sys.executable, ROOT / "generate.py", "shop"],
        "nix flake init": ["nix", "flake", "init", "-t", ROOT],
        "copier, django-keel": [*copier, *answers, peers / "django-keel", "shop"],
        "cookiecutter, cookiecutter-django": [
            *cookiecutter,
            peers / "cookiecutter-django",
            "use_celery=y",
        ],
    }
    if not shutil.which("nix"):
        del generators["nix flake init"]
    seconds = {name: measure(command) for name, command in generators.items()}
    base = seconds["just new"]
    print(f"{'':34}{'median':>9}{'ratio':>8}   of {ROUNDS} rounds")
    for name, median in seconds.items():
        print(f"{name:34}{median * 1000:6.0f} ms{median / base:7.1f}x")


def measure(command: list) -> float:
    """The median seconds of a command, each time in a new empty folder, after one to warm up."""
    environment = os.environ | {"NIX_CONFIG": NIX_CONFIG}
    times = []
    for _ in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            done = subprocess.run(
                [str(part) for part in command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            times.append(time.perf_counter() - start)
            if done.returncode != 0 or not any(Path(folder).iterdir()):
                sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return statistics.median(times[1:])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
