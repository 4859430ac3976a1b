"""Tasks that wait for 100 ms: how many a second for each MiB, in processes and in threads.

All are Slipway's workers: celery-worker with 8 processes, celery-mail as it stands, and with 100
threads.
"""

from argparse import Namespace

from bench import common
from bench.celery import MEMORY, RATE, Worker, options_of
from bench.common import Goal, Samples

PREFORK, THREADS, MANY = "prefork, -c 8", "threads, as celery-mail", "threads, -c 100"
SHARE = "tasks/s per MiB"


def main(options: Namespace) -> None:
    count = 40 if options.tiny else options.size or 2000
    pools = {
        PREFORK: options_of("celery-worker", "-c", "8"),
        f"Slipway: {THREADS}": options_of("celery-mail"),
        f"Slipway: {MANY}": options_of("celery-mail", "-c", "100"),
    }

    def measure(words: list[str]) -> dict[str, float]:
        # As long for each: processes run fewer.
        tasks = count // 4 if words == pools[PREFORK] else count
        found = Worker("config", words).measure("wait", tasks)
        return {SHARE: found[RATE] / found[MEMORY], RATE: found[RATE], MEMORY: found[MEMORY]}

    turns = {name: lambda words=words: measure(words) for name, words in pools.items()}
    samples = common.interleave(turns, options.rounds or 5)
    common.report(options, "io", samples, goals, {"tasks": count, "waiting, s": 0.1})


def goals(samples: Samples) -> list[Goal]:
    many = common.ratio(samples, f"Slipway: {MANY}", PREFORK, SHARE)
    return [Goal("Tasks that wait, in the same memory, of prefork's", many, ">=", 10, digits=1)]
