"""What it costs to keep a story of everything, in tasks, in publishing, and in requests.

The default project, as it is and with `#add-telemetry`, whose store takes all of it. The tasks do
nothing, or take ten milliseconds. A request is that of a visitor who is alone, and signs up with
one project and then with the other: requests of different seconds differ by more than is measured.
"""

from pathlib import Path

from bench import common, signup, temporal
from bench.celery import PUBLISH, RATE, options_of, ours
from bench.common import Bench, Turn, added, ratio

SIZE, UNIT = (3000, 400), "tasks"
SHORT, REQUEST, PAGE = "10 ms tasks/s", "sign-up, median ms", signup.PAGE
PAIR = WITH, WITHOUT = "Slipway, with stories", "without"

GOALS = [
    ("No-ops with stories, of those without", lambda s: ratio(s, *PAIR, RATE), ">=", 0.8),
    ("… tasks of 10 ms", lambda s: ratio(s, *PAIR, SHORT), ">=", 0.97),
    ("… added to what is published", lambda s: added(s, *PAIR, PUBLISH), "<=", 0.5, "ms", 2),
    ("… added to a page's request, median", lambda s: added(s, *PAIR, PAGE), "<=", 3, "ms", 1),
    ("… to a sign-up's, of 25 spans", lambda s: added(s, *PAIR, REQUEST), "<=", 3, "ms", 1),
]


def turns(bench: Bench) -> dict[str, Turn]:
    told = common.new_project(bench.folder / "told", "default", "telemetry")
    redis_port = bench.stack.enter_context(common.redis_server(bench.folder))
    sites: dict[str, signup.Site] = {}
    requests: dict[str, dict[str, float]] = {}

    def requests_of(name: str) -> dict[str, float]:
        """Measured of both, whoever has the first turn in a round."""
        if name not in requests:
            with sites[WITH].serving() as one, sites[WITHOUT].serving() as other:
                found = signup.visit(max(bench.size // 20, 2), 1, one, other)
            requests.update(zip(PAIR, found, strict=True))
        return requests.pop(name)

    def turn(name: str, project: Path) -> Turn:
        # One each: the numbers of their users are the same.
        temporal_port = bench.stack.enter_context(temporal.server(project))
        ports = {"REDIS_PORT": redis_port, "TEMPORAL_PORT": temporal_port}
        sites[name] = signup.Site(bench, project, ports)
        worker = ours([*options_of("celery-worker"), "-c", "2"], project)

        def measure() -> dict[str, float]:
            found = worker.measure("nothing", bench.size)
            short = worker.measure("short", bench.size // 2)
            request = requests_of(name)
            figures = {RATE: found[RATE], PUBLISH: found[PUBLISH]}
            figures |= {SHORT: short[RATE], REQUEST: request[signup.MIDDLE]}
            return figures | {PAGE: request[PAGE]}

        return measure

    return {WITH: turn(WITH, told), WITHOUT: turn(WITHOUT, bench.project)}
