"""Celery: 5,000 tasks that do nothing, `-c 2`, against bare Celery and the peers.

They are in Redis before the worker starts, and each turn has a new Redis and a new worker. Counted
is from when a tenth of them is taken until none waits. A worker has the command of
services/celery.yaml, or what its project's own compose file says, and `-l info`.
"""

import shlex
import tempfile
import time
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import redis
import yaml

from bench import common, peers
from bench.common import Goal, Samples

RATE, MEMORY, READY = "tasks/s", "worker's PSS, MiB", "first tasks, s"


@dataclass
class Worker:
    """A worker of some project."""

    app: str
    options: list[str]
    python: Path = common.PYTHON
    cwd: Path = common.TEMPLATE
    env: dict[str, str] = field(default_factory=dict)

    def measure(self, task: str, count: int) -> dict[str, float]:
        """Let it run so many tasks; return their rate and its memory."""
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            folder, server = Path(name), common.redis_server(Path(name))
            stack.enter_context(
                common.running(
                    *server[0], ready=lambda: common.listens(server[1]), log=folder / "redis.log"
                )
            )
            url = f"redis://127.0.0.1:{server[1]}/1"
            env = common.development(folder, CELERY_BROKER_URL=url, REDIS_URL=url, **self.env)
            publish = [self.python, common.CHILDREN / "publish.py", self.app, task, count]
            common.run(*publish, cwd=self.cwd, env=env)
            queue, log, begun = redis.Redis.from_url(url), folder / "worker.log", time.monotonic()
            stack.callback(queue.close)

            def left(share: float) -> bool:
                return queue.llen("celery") <= count * share

            command = [self.python, "-m", "celery", "-A", self.app, "worker", *self.options]
            command += ["-I", "bench_tasks", "-n", "bench@%h"]
            # `running` waits for 0.9; from there on the rate counts.
            process = stack.enter_context(
                common.running(
                    *command, ready=lambda: left(0.9), log=log, cwd=self.cwd, env=env, timeout=120
                )
            )
            start, waiting = time.monotonic(), queue.llen("celery")
            common.wait_until(lambda: left(0), f"{self.app}'s tasks", process, log, 240)
            rate = waiting / (time.monotonic() - start)
            return {RATE: rate, MEMORY: common.pss(process), READY: start - begun}


def options_of(process: str, *more: str) -> list[str]:
    """The options of a worker in services/celery.yaml, and *more*; all take the default queue."""
    file = common.TEMPLATE / "services/celery.yaml"
    words = shlex.split(yaml.safe_load(file.read_text())["processes"][process]["command"])
    words = words[words.index("worker") + 1 :]
    for name in ("-X", "-Q", "-n"):
        if name in words:
            del words[words.index(name) : words.index(name) + 2]
    return [*words, "-Q", "celery", *more]


def main(options: Namespace) -> None:
    count = 40 if options.tiny else options.size or 5000
    two = ["-c", "2"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        others = stack.enter_context(peers.celery_apps(options.peers, folder))
        workers = {
            "Slipway": Worker("config", options_of("celery-worker", *two)),
            "bare Celery": Worker("bare", ["-l", "info", *two]),
        }
        for peer, described in others.items():
            workers[peer] = Worker(options=["-l", "info", *two], **described)
        turns = {
            peer: lambda worker=worker: worker.measure("nothing", count)
            for peer, worker in workers.items()
        }
        samples = common.interleave(turns, options.rounds or 5)
    settings = {"tasks": count, "processes": 2}
    common.report(options, "celery", samples, goals, settings)


def goals(samples: Samples) -> list[Goal]:
    rate = common.ratio(samples, "Slipway", "bare Celery", RATE)
    return [Goal("Celery no-ops, of bare Celery's rate", rate, ">=", 1)]
