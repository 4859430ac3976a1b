"""A sign-up's request: what both backends add to it, with 10 visitors at once.

Two projects, `#minimal` and the default one, each served by gunicorn with the threads of
services/django.yaml, with Redis and a Temporal server beside the latter. Each visitor signs up and
then reads for half a second. Left out is what both have and what would hide the difference: the
third of a second for the password's hash, and workers on the cores of the requests. E-mails become
files.
"""

import tempfile
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from bench import common, temporal
from bench.common import Goal, Samples

P95, MIDDLE = "p95, ms", "median, ms"
VISITORS = 10


def main(options: Namespace) -> None:
    count = 10 if options.tiny else options.size or 200
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "data").mkdir()
        words, redis_port = common.redis_server(folder)
        ready = lambda: common.listens(redis_port)  # noqa: E731
        stack.enter_context(common.running(*words, ready=ready, log=folder / "redis.log"))
        temporal_port = stack.enter_context(temporal.server(folder / "data"))
        ports = {"REDIS_PORT": redis_port, "TEMPORAL_PORT": temporal_port}
        turns = {
            title: lambda port=port: visit(port, count)
            for title, port in (
                ("Slipway, both backends", serve(stack, folder, "default", ports)),
                ("no backend", serve(stack, folder, "minimal", ports)),
            )
        }
        samples = common.interleave(turns, options.rounds or 5, warm_up=1)
    settings = {"sign-ups": count, "visitors": VISITORS}
    common.report(options, "signup", samples, goals, settings)


def serve(stack: ExitStack, folder: Path, variant: str, ports: dict[str, int]) -> int:
    """Serve a new project of this variant; return its port."""
    project, port = common.new_project(folder / variant, variant), common.free_port()
    env = common.development(folder / variant / ".data", DJANGO_PORT=port, **ports)
    env["DJANGO_SETTINGS_MODULE"] = "fast_hash"
    common.run(common.PYTHON, "manage.py", "migrate", cwd=project, env=env)
    words = [common.PYTHON, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    words += ["--threads", "8", "--no-control-socket"]
    ready = lambda: common.listens(port)  # noqa: E731
    log = folder / f"{variant}.log"
    stack.enter_context(common.running(*words, ready=ready, log=log, cwd=project, env=env))
    return port


def visit(port: int, count: int) -> dict[str, float]:
    """Let visitors sign up; return the milliseconds of their requests."""
    script = common.CHILDREN / "visitors.py"
    said = common.run(common.PYTHON, script, port, VISITORS, count).split()
    return {P95: float(said[0]), MIDDLE: float(said[1])}


def goals(samples: Samples) -> list[Goal]:
    ours, none = samples["Slipway, both backends"], samples["no backend"]
    added = common.statistics.median(
        one - two for one, two in zip(ours[P95], none[P95], strict=True)
    )
    return [Goal("Added to a sign-up by both backends, p95", added, "<=", 30, "ms", 0)]
