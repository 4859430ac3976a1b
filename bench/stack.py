"""The whole stack of a new default project: how long it takes to start, and what it costs idle.

Linux only. The caches of tools and packages are used, as for a second project on a machine. Each
process is also started alone, with what it needs (`just up -D NAME`), and there the project's code
is edited: until the worker's log says that the new one works.
"""

import contextlib
import re
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

import psutil

from bench import common
from bench.common import Goal, Samples

UP, MEMORY, CPU, EDIT = "seconds", "idle PSS, MiB", "idle, % of a core", "edit, s"
ALL, ALONE = "Slipway, everything", "{} alone"
# What a worker says when it works.
WORKERS = {"celery-worker": " ready.", "temporal-worker": "Working on"}


def main(options: Namespace) -> None:
    variant = "celery" if options.tiny else "default"
    idle = 1 if options.tiny else options.size or 30
    with tempfile.TemporaryDirectory() as name:
        start = time.monotonic()
        project = Project(common.new_project(Path(name) / "shop", variant))
        first = {"made, s": time.monotonic() - start, "ready, s": project.up()}
        first["down, s"] = project.down()
        names = ["celery-worker"]
        names += [] if options.tiny else ["temporal-worker", "celery-mail", "django", "flower"]
        turns = {ALL: lambda: project.everything(idle)}
        turns |= {ALONE.format(one): lambda one=one: project.alone(one) for one in names}
        samples = common.interleave(turns, options.rounds or 5)
    first = {what: round(value, 2) for what, value in first.items()}
    settings = {"variant": variant, "idle, s": idle}
    common.report(options, "stack", samples, goals, settings, first_start=first)


def goals(samples: Samples) -> list[Goal]:
    slowest = max((name for name in samples if name != ALL), key=lambda n: median(samples, n, UP))
    edit = max(median(samples, name, EDIT) for name in samples if EDIT in samples[name])
    whole = common.ratio(samples, ALL, slowest, UP)
    return [
        Goal("The idle stack's memory (PSS)", median(samples, ALL, MEMORY), "<=", 800, "MiB", 0),
        Goal("… and its share of one core", median(samples, ALL, CPU), "<=", 2.5, "%", 1),
        Goal("From an edit to a new worker that works", edit, "<=", 1.8, "s"),
        Goal(f"`just up`, warm, of {slowest}", whole, "<=", 1.3),
    ]


median = common.median


class Project:
    """A project with free ports and its own stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        text = "".join(file.read_text() for file in (folder / "services").glob("*.yaml"))
        names = set(re.findall(r"\$\{(\w+_PORT):-", text))
        self.env = common.environment(**{name: common.free_port() for name in names})

    def just(self, *arguments: str) -> None:
        common.run("sh", "dev", "just", *arguments, cwd=self.folder, env=self.env)

    def up(self, *names: str) -> float:
        """Start these, or everything; return the seconds until all is ready."""
        start = time.monotonic()
        try:
            self.just("up", "-D", *names)
            self.just("wait")
        except BaseException:
            with contextlib.suppress(common.Failed):
                self.just("down")
            raise
        return time.monotonic() - start

    def down(self) -> float:
        start = time.monotonic()
        self.just("down")
        return time.monotonic() - start

    def everything(self, idle: float) -> dict[str, float]:
        """Start everything, and see what it costs while nothing happens."""
        ready = self.up()
        try:
            time.sleep(min(idle, 5))
            before = self.usage()
            time.sleep(idle)
            after = self.usage()
        finally:
            self.down()
        cpu = sum(seconds - before.get(pid, (seconds,))[0] for pid, (seconds, _) in after.items())
        memory = sum(pss for _, pss in after.values()) / 2**20
        return {UP: ready, MEMORY: memory, CPU: cpu / idle * 100}

    def alone(self, name: str) -> dict[str, float]:
        """Start one process with what it needs, and if it is a worker, edit the code."""
        found = {UP: self.up(name)}
        try:
            if name in WORKERS:
                found[EDIT] = self.edit(name, WORKERS[name])
        finally:
            self.down()
        return found

    def edit(self, name: str, says: str) -> float:
        log, code = self.folder / f".data/logs/{name}.0.log", self.folder / "home/views.py"
        time.sleep(1.5)  # the reloader has begun to watch
        before, start = log.read_text().count(says), time.monotonic()
        code.write_text(code.read_text() + "# edited\n")
        while log.read_text().count(says) == before:
            if time.monotonic() - start > 30:
                raise common.Failed(f"{name} did not restart after an edit. The end of its log:\n"
                                    + log.read_text()[-2000:])
            time.sleep(0.02)
        return time.monotonic() - start

    def usage(self) -> dict[int, tuple[float, int]]:
        """CPU seconds, children's included, and PSS in bytes, by process id."""
        mark, found = self.socket(), {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PC_SOCKET_PATH") == mark:
                    seconds = sum(process.cpu_times()[:4])
                    found[process.pid] = seconds, process.memory_full_info().pss
        return found

    def socket(self) -> str:
        """Where the project's process-compose listens: what all its processes have in common."""
        code = "from slipway import project as p; print(p.environment()['PC_SOCKET_PATH'])"
        env = self.env | {"PYTHONPATH": str(self.folder / ".slipway")}
        return common.run(sys.executable, "-c", code, cwd=self.folder, env=env).strip()
