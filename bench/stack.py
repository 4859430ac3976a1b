"""The whole stack of a new default project: how long it takes to start, and what it costs idle.

Linux only. The caches of tools and packages are used, as for a second project on a machine. Each
process is also started alone, with what it needs (`just up -D NAME`), and there the project's code
is edited: until the worker's log says that the new one works. The size is the seconds of idling.
"""

import contextlib
import re
import sys
import time
from pathlib import Path

import psutil

from bench import common
from bench.common import Bench, Samples, Turn, median, ratio

SIZE, UNIT = (30, 1), "idle seconds"
UP, MEMORY, CPU, EDIT = "seconds", "idle PSS, MiB", "idle, % of a core", "edit, s"
ALL = "Slipway, everything"
# What a worker says when it works.
WORKERS = {"celery-worker": " ready.", "temporal-worker": "Working on"}


def of_slowest(samples: Samples) -> float:
    """The start of everything, of that of the process which takes longest alone."""
    alone = [name for name in samples if name != ALL]
    return ratio(samples, ALL, max(alone, key=lambda name: median(samples, name, UP)), UP)


def edit(samples: Samples) -> float:
    """The seconds of the slower worker."""
    return max(median(samples, name, EDIT) for name in samples if EDIT in samples[name])


GOALS = [
    ("The idle stack's memory (PSS)", lambda s: median(s, ALL, MEMORY), "<=", 800, "MiB", 0),
    ("… and its share of one core", lambda s: median(s, ALL, CPU), "<=", 2.5, "%", 1),
    ("From an edit to a new worker that works", edit, "<=", 1.8, "s", 2),
    ("`just up`, warm, of the slowest process alone", of_slowest, "<=", 1.3),
]


def turns(bench: Bench) -> dict[str, Turn]:
    start = time.monotonic()
    names = [*WORKERS, "celery-mail", "django", "flower"]
    project, everything = Project(bench.project, bench.project / ".data"), []
    if bench.tiny:
        names, everything = names[:1], ["celery-worker", "celery-beat"]
    else:
        project.up()
        bench.more["from nothing to ready, s"] = round(time.monotonic() - start, 1)
        project.just("down")
    alone = {f"{name} alone": lambda name=name: project.alone(name) for name in names}
    return {ALL: lambda: project.everything(bench.size, everything)} | alone


class Project:
    """A project with free ports and its own stack."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data
        text = "".join(file.read_text() for file in (folder / "services").glob("*.yaml"))
        names = set(re.findall(r"\$\{(\w+_PORT):-", text))
        ports = {name: common.free_port() for name in names}
        self.env = common.environment(DATA_DIR=data, PROJECT_NAME="shop", **ports)

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

    def everything(self, idle: float, names: list[str]) -> dict[str, float]:
        """Start everything, and see what it costs while nothing happens."""
        ready = self.up(*names)
        try:
            time.sleep(min(idle, 5))
            before = self.usage()
            time.sleep(idle)
            after = self.usage()
        finally:
            self.just("down")
        cpu = sum(seconds - before.get(pid, (seconds,))[0] for pid, (seconds, _) in after.items())
        memory = sum(pss for _, pss in after.values()) / 2**20
        return {UP: ready, MEMORY: memory, CPU: cpu / idle * 100}

    def alone(self, name: str) -> dict[str, float]:
        """Start one process with what it needs, and if it is a worker, edit the code."""
        found = {UP: self.up(name)}
        try:
            return found | ({EDIT: self.edit(name)} if name in WORKERS else {})
        finally:
            self.just("down")

    def edit(self, name: str) -> float:
        log, code = self.data / f"logs/{name}.0.log", self.folder / "home/views.py"
        time.sleep(1.5)  # the reloader has begun to watch
        before, start = log.read_text().count(WORKERS[name]), time.monotonic()
        code.touch()
        while log.read_text().count(WORKERS[name]) == before:
            if time.monotonic() - start > 60:
                raise common.Failed(f"{name} did not restart: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        return time.monotonic() - start

    def usage(self) -> dict[int, tuple[float, int]]:
        """CPU seconds, children's included, and PSS in bytes, by process id."""
        # Where process-compose listens: what all processes have in common.
        code = "from slipway import project as p; print(p.environment()['PC_SOCKET_PATH'])"
        env = self.env | {"PYTHONPATH": str(self.folder / ".slipway")}
        mark = common.run(sys.executable, "-c", code, cwd=self.folder, env=env).strip()
        found = {}
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if one.environ().get("PC_SOCKET_PATH") == mark:
                    found[one.pid] = sum(one.cpu_times()[:4]), one.memory_full_info().pss
        return found
