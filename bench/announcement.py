"""An e-mail to 100,000 users: the worker's memory from the first to the last, and the rate.

The worker is celery-mail of services/celery.yaml. The mail server takes a message after 100 ms, as
a real one does; what it can take is what as many threads of bare smtplib bring it, each e-mail on a
connection of its own.
"""

import tempfile
import time
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from bench import celery, common
from bench.common import Goal, Samples

RATE, SWING = "e-mails/s", "memory's swing, %"
ANSWER = 0.1
"""Seconds until the mail server takes a message."""
BARE = "bare smtplib, 20 threads"


def main(options: Namespace) -> None:
    users = 60 if options.tiny else options.size or 100_000
    course: list[list[float]] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), common.free_port()
        taken = folder / "taken"
        stub = [common.PYTHON, common.CHILDREN / "mail_stub.py", port, ANSWER, taken]
        ready = lambda: common.listens(port)  # noqa: E731
        stack.enter_context(common.running(*stub, ready=ready, log=folder / "stub.log"))

        def ours() -> dict[str, float]:
            course[:] = announce(folder, port, users, lambda: int(taken.read_text() or 0))
            return figures(course)

        def bare() -> dict[str, float]:
            script, count = common.CHILDREN / "mail_senders.py", min(users, 3000)
            return {RATE: float(common.run(common.PYTHON, script, port, count))}

        samples = common.interleave({"Slipway": ours, BARE: bare}, options.rounds or 1)
    settings = {"users": users, "the server's answer, s": ANSWER}
    thin = course[:: len(course) // 200 + 1]
    common.report(options, "announcement", samples, goals, settings, course=thin)


def announce(folder: Path, port: int, users: int, taken) -> list[list[float]]:
    """Send it; return seconds, e-mails taken, and the worker's MiB, for every second."""
    with tempfile.TemporaryDirectory(dir=folder) as name, ExitStack() as stack:
        data, log, course = Path(name), Path(name) / "worker.log", []
        words, redis_port = common.redis_server(data)
        ready = lambda: common.listens(redis_port)  # noqa: E731
        stack.enter_context(common.running(*words, ready=ready, log=data / "redis.log"))
        env = common.development(data, REDIS_PORT=redis_port, EMAIL_URL=f"smtp://127.0.0.1:{port}")
        common.run(common.PYTHON, "manage.py", "migrate", env=env)
        common.run(common.PYTHON, common.CHILDREN / "announce.py", users, env=env)
        before = taken()
        words = [common.PYTHON, "-m", "celery", "-A", "config", "worker", "-Q", "mail,bulk"]
        words += celery.options_of("celery-mail")[:-2]
        begun = lambda: taken() > before  # noqa: E731
        worker = stack.enter_context(common.running(*words, ready=begun, log=log, env=env))
        start, first = time.monotonic(), taken()

        def done() -> bool:
            course.append([time.monotonic() - start, taken() - first, common.pss(worker)])
            return taken() - before >= users

        common.wait_until(done, "The announcement", worker, log, 3600, every=1)
        return [[round(cell, 1) for cell in row] for row in course]


def figures(course: list[list[float]]) -> dict[str, float]:
    """The rate, and by how much the memory differs from its middle after the first tenth."""
    rows = course[len(course) // 10 :]
    least, most = min(row[2] for row in rows), max(row[2] for row in rows)
    rate = course[-1][1] / max(course[-1][0], 0.001)
    return {RATE: rate, SWING: (most - least) / (most + least) * 100, "most, MiB": most}


def goals(samples: Samples) -> list[Goal]:
    swing = common.median(samples, "Slipway", SWING)
    rate = common.ratio(samples, "Slipway", BARE, RATE)
    return [
        Goal("An announcement: the worker's memory, ±", swing, "<=", 10, "%", 1),
        Goal("… of what bare smtplib brings the mail server", rate, ">=", 0.9),
    ]
