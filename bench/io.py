"""Tasks that wait for 100 ms: how many a second for each MiB, in processes and in threads.

All are Slipway's workers: celery-worker with 8 processes, celery-mail as it stands, and with 100
threads.
"""

from bench.celery import MEMORY, RATE, options_of, ours
from bench.common import Bench, Turn, ratio

SIZE, UNIT = (2000, 400), "tasks"
PREFORK = "prefork, -c 8"
THREADS, MANY = "Slipway's celery-mail, -c 20", "Slipway's threads, -c 100"
SHARE = "tasks/s per MiB"
GOALS = [
    (
        "Tasks that wait, in the same memory, of prefork's",
        lambda s: ratio(s, MANY, PREFORK, SHARE),
        ">=",
        10,
        "",
        1,
    ),
]


def turns(bench: Bench) -> dict[str, Turn]:
    def measure(words: list[str], count: int) -> dict[str, float]:
        found = ours(words, bench.project).measure("wait", count)
        return {SHARE: found[RATE] / found[MEMORY], RATE: found[RATE], MEMORY: found[MEMORY]}

    prefork, threads = options_of("celery-worker"), options_of("celery-mail")
    return {
        # As long for each: processes run fewer.
        PREFORK: lambda: measure([*prefork, "-c", "8"], bench.size // 4),
        THREADS: lambda: measure(threads, bench.size // 2),
        MANY: lambda: measure([*threads, "-c", "100"], bench.size),
    }
