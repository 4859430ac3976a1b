"""A sign-up's request: what both backends add to it, with 10 visitors at once.

Two projects, `#minimal` and the default one, each served by gunicorn with the threads of
services/django.yaml, with Redis and a Temporal server beside the latter. Each visitor signs up and
then reads for half a second. Left out is what both have and what would hide the difference: the
third of a second for the password's hash, and workers on the cores of the requests. E-mails become
files.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench import common, temporal
from bench.common import Bench, Turn, added

SIZE, UNIT = (200, 10), "sign-ups"
P95, MIDDLE, PAGE = "p95, ms", "median, ms", "its page, median ms"
BOTH, NONE = "Slipway, both backends", "no backend"
VISITORS = 10
ADDED = "Added to a sign-up by both backends, p95"
GOALS = [(ADDED, lambda s: added(s, BOTH, NONE, P95), "<=", 30, "ms", 0)]


def turns(bench: Bench) -> dict[str, Turn]:
    redis_port = bench.stack.enter_context(common.redis_server(bench.folder))
    temporal_port = bench.stack.enter_context(temporal.server(bench.folder))
    ports = {"REDIS_PORT": redis_port, "TEMPORAL_PORT": temporal_port}
    both = Site(bench, bench.project, ports)
    none = Site(bench, common.new_project(bench.folder / "none", "minimal"), ports)
    return {BOTH: lambda: both.measure(bench.size), NONE: lambda: none.measure(bench.size)}


class Site:
    """A new project as it is in production, with TELEMETRY_STORE where there is telemetry."""

    def __init__(self, bench: Bench, project: Path, ports: dict[str, int]) -> None:
        self.project, self.log = project, bench.folder / f"{project.name}.log"
        self.env = common.development(project / ".data", DJANGO_SETTINGS_MODULE="fast_hash")
        self.env |= common.PRODUCTION | common.of_services() | {"TELEMETRY_STORE": "true"}
        self.env["EMAIL_URL"] = f"filemail://{project}/.data/mail"
        self.env |= {name: str(port) for name, port in ports.items()}
        (project / ".data").mkdir()
        for command in (["migrate"], ["collectstatic", "--no-input"]):
            common.run(common.PYTHON, "manage.py", *command, cwd=project, env=self.env)

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """Its port, while new processes serve it: none is as fast as another."""
        port = common.free_port()
        words = [common.PYTHON, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
        words += ["--threads", "8", "--no-control-socket"]
        with common.running(*words, ready=port, log=self.log, cwd=self.project, env=self.env):
            visit(10, VISITORS, port)  # the first requests load what the others need
            yield port

    def measure(self, count: int) -> dict[str, float]:
        """Serve it to the visitors; return milliseconds."""
        with self.serving() as port:
            return visit(count, VISITORS, port)[0]


def visit(count: int, visitors: int, *ports: int) -> list[dict[str, float]]:
    """Let visitors sign up on each port; return the milliseconds of their requests there."""
    script = common.CHILDREN / "visitors.py"
    printed = common.run(common.PYTHON, script, visitors, count, *ports).splitlines()
    names = P95, MIDDLE, PAGE
    return [dict(zip(names, map(float, line.split()), strict=True)) for line in printed]
