"""Celery: 5,000 tasks that do nothing, `-c 2`, against bare Celery and the peers.

They are in Redis before the worker starts, and each turn has a new Redis and a new worker. Counted
is from when a tenth of them is taken until none waits. A worker has the command of
services/celery.yaml, or what its project's own compose file says, and `-l info`.
"""

import contextlib
import shlex
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis
import yaml

from bench import common, peers
from bench.common import OURS, Bench, Turn, ratio

SIZE, UNIT = (5000, 1000), "tasks"
RATE, MEMORY, READY = "tasks/s", "worker's PSS, MiB", "first tasks, s"
PUBLISH = "publish, ms"
BARE = "bare Celery"
GOALS = [("Celery no-ops, of bare Celery's rate", lambda s: ratio(s, OURS, BARE, RATE), ">=", 1)]


@dataclass
class Worker:
    """A worker of some project."""

    app: str
    options: list[str]
    cwd: Path
    python: Path = common.PYTHON
    env: dict[str, str] = field(default_factory=dict)

    @property
    def program(self) -> list[str]:
        """As in services/celery.yaml, or Celery's own command."""
        own = (self.cwd / "tasks/__main__.py").exists()
        return ["tasks"] if own else ["celery", "-A", self.app]

    def measure(self, task: str, count: int) -> dict[str, float]:
        """Let it run so many tasks; return their rate and its memory."""
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = f"redis://127.0.0.1:{stack.enter_context(common.redis_server(folder))}/1"
            env = common.development(folder, CELERY_BROKER_URL=url, REDIS_URL=url) | self.env
            publish = [self.python, common.CHILDREN / "publish.py", self.app, task, count]
            published = common.run(*publish, cwd=self.cwd, env=env)
            queue = stack.enter_context(contextlib.closing(redis.Redis.from_url(url)))
            command = [self.python, "-m", *self.program, "worker", *self.options]
            command += ["-I", "bench_tasks", "-n", "bench@%h"]
            begun, some = time.monotonic(), lambda: queue.llen("celery") <= count * 0.9
            log = folder / "celery.log"
            started = common.running(*command, ready=some, log=log, cwd=self.cwd, env=env)
            worker = stack.enter_context(started)
            start, waiting = time.monotonic(), queue.llen("celery")
            worker.wait_until(lambda: not queue.llen("celery"))
            rate = waiting / (time.monotonic() - start)
            found = {RATE: rate, MEMORY: worker.pss(), READY: start - begun}
            return found | {PUBLISH: float(published.split()[-1])}


def ours(options: list[str], project: Path) -> Worker:
    """A worker of a project of Slipway's."""
    return Worker("config", options, project, env=common.of_services())


def options_of(process: str, queues: str = "celery") -> list[str]:
    """The options of a worker in services/celery.yaml, but for its name and its queues."""
    file = common.TEMPLATE / "services/celery.yaml"
    words = shlex.split(yaml.safe_load(file.read_text())["processes"][process]["command"])
    words = words[words.index("worker") + 1 :]
    for name in {"-X", "-Q", "-n"} & {*words}:
        del words[words.index(name) : words.index(name) + 2]
    return [*words, "-Q", queues]


def turns(bench: Bench) -> dict[str, Turn]:
    plain = ["-l", "info", "-c", "2"]
    workers = {
        OURS: ours([*options_of("celery-worker"), "-c", "2"], bench.project),
        BARE: Worker("bare", plain, bench.folder),
    }
    if bench.peers:
        made = bench.stack.enter_context(peers.with_celery(bench.peers, bench.folder))
        workers |= {name: Worker(app, plain, *rest) for name, (app, *rest) in made.items()}
    return {
        name: lambda worker=worker: worker.measure("nothing", bench.size)
        for name, worker in workers.items()
    }
