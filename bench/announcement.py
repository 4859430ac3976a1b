"""An e-mail to 100,000 users: the worker's memory from the first to the last, and the rate.

The worker is celery-mail of services/celery.yaml. The mail server takes a message after 100 ms, as
a real one does; what it can take is what as many threads of bare smtplib bring it, each e-mail on a
connection of its own.
"""

import contextlib
import tempfile
import time
from pathlib import Path

from bench import celery, common
from bench.common import OURS, Bench, Turn, median, ratio

SIZE, UNIT = (100_000, 60), "users"
RATE, SWING = "e-mails/s", "memory's swing, ± %"
ANSWER = 0.1
"""Seconds until the mail server takes a message."""
BARE = "bare smtplib, 20 threads"
GOALS = [
    ("An announcement: the worker's memory, ±", lambda s: median(s, OURS, SWING), "<=", 10, "%", 1),
    ("… of bare smtplib's rate", lambda s: ratio(s, OURS, BARE, RATE), ">=", 0.9),
]


def turns(bench: Bench) -> dict[str, Turn]:
    project = common.new_project(bench.folder / "news", "default", "announcements")
    port, taken = common.free_port(), bench.folder / "taken"
    stub = [common.PYTHON, common.CHILDREN / "mail_stub.py", port, ANSWER, taken]
    log = bench.folder / "mail-stub.log"
    bench.stack.enter_context(common.running(*stub, ready=port, log=log))

    def ours() -> dict[str, float]:
        course = announce(port, bench.size, project, lambda: int(taken.read_text()))
        bench.more["course"] = course[:: len(course) // 200 + 1]
        rows = course[len(course) // 10 :]
        least, most = min(row[2] for row in rows), max(row[2] for row in rows)
        rate, swing = course[-1][1] / max(course[-1][0], 0.001), (most - least) / (most + least)
        return {RATE: rate, SWING: swing * 100, "most, MiB": most}

    def bare() -> dict[str, float]:
        senders = [common.PYTHON, common.CHILDREN / "mail_senders.py", port]
        return {RATE: float(common.run(*senders, min(bench.size, 3000)))}

    return {OURS: ours, BARE: bare}


def announce(port: int, users: int, project: Path, taken) -> list[list[float]]:
    """Send it; return seconds, e-mails taken, and the worker's MiB, for every second."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_port = stack.enter_context(common.redis_server(folder))
        smtp = f"smtp://127.0.0.1:{port}"
        broker = f"redis://127.0.0.1:{redis_port}/1"
        env = common.development(folder, CELERY_BROKER_URL=broker, EMAIL_URL=smtp)
        env |= common.PRODUCTION | common.of_services()
        common.run(common.PYTHON, common.CHILDREN / "announce.py", users, env=env, cwd=project)
        words = [common.PYTHON, "-m", "tasks", "worker"]
        words += celery.options_of("celery-mail", "mail,bulk")
        before, log = taken(), folder / "celery-mail.log"
        begun = lambda: taken() > before  # noqa: E731
        started = common.running(*words, ready=begun, log=log, env=env, cwd=project)
        worker = stack.enter_context(started)
        start, first, course = time.monotonic(), taken(), []

        def done() -> bool:
            now, sent = time.monotonic() - start, taken() - first
            course.append([round(now, 1), sent, round(worker.pss(), 1)])
            return taken() - before >= users

        worker.wait_until(done, every=1, timeout=7200)
        return course
