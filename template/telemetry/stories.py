"""Reads stories back: the newest ones, and one as the rows of a waterfall."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from .store import connect, mark_killed

# Nanoseconds from which a span is slow.
SLOW = 1_000_000_000
# How many stories a list shows, and how many spans and lines a story.
STORIES, SPANS, LINES = 50, 1000, 500
# Nanoseconds in which nothing happens that are a pause, and the percent of the width it takes.
PAUSE, PAUSE_WIDTH = 1_000_000_000, 10

LIST = """
SELECT root.trace, root.name, process.name AS process,
    root.started, root.ended - root.started AS answered,
    (SELECT count(*) FROM span WHERE trace = root.trace) AS spans,
    (SELECT count(DISTINCT process) FROM span WHERE trace = root.trace) AS processes,
    (SELECT replace(group_concat(DISTINCT error), ',', ', ') FROM span
        WHERE trace = root.trace) AS error,
    (SELECT max(coalesce(ended, started)) FROM span WHERE trace = root.trace) - root.started AS took
FROM span root JOIN process ON process.id = root.process
WHERE {} ORDER BY root.started DESC LIMIT ?
"""
SOME = "EXISTS (SELECT 1 FROM span WHERE trace = root.trace AND {})"
FILTERS = {
    "path": "root.name LIKE ?",
    "task": SOME.format(
        "kind = 'consumer'"
        " AND (name LIKE ? OR json_extract(attributes, '$.\"messaging.message.id\"') LIKE ?)"
    ),
    "workflow": SOME.format(
        "(name LIKE 'RunWorkflow:' || ? OR json_extract(attributes, '$.temporalWorkflowID') LIKE ?)"
    ),
    "slow": SOME.format(f"ended - started >= {SLOW}"),
    "failed": SOME.format("error IS NOT NULL"),
}
# Not what beat and Temporal's schedules begin each minute, if it went well.
REQUEST = "json_extract(root.attributes, '$.\"http.request.method\"') IS NOT NULL"
FILTERS["eventful"] = f"({REQUEST} OR {FILTERS['failed']})"
SPANS_OF = """
SELECT span.id, parent, span.name, kind, process.name || ' ' || pid AS process, started, ended,
    error, attributes
FROM span JOIN process ON process.id = process WHERE trace = ? ORDER BY started LIMIT ?
"""
LINES_OF = "SELECT * FROM line WHERE trace = ? ORDER BY time LIMIT ?"


@dataclass
class Row:
    """A span in a waterfall. Times in nanoseconds, places in percent of the width."""

    id: str
    parent: str | None
    name: str
    kind: str
    process: str
    started: int
    ended: int | None
    error: str | None
    attributes: dict[str, Any]
    depth: int = 0
    attempt: int = 0  # if there was more than one
    waited: int = 0  # for a worker, or for the next attempt
    until: int = 0  # what is drawn: a workflow lasts until its last child has ended
    left: float = 0
    width: float = 0
    wait: float = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    children: list["Row"] = field(default_factory=list)

    @property
    def took(self) -> int:
        return self.until - self.started

    @property
    def state(self) -> str:
        """How it ended: its error, ``running``, or nothing."""
        return self.error or ("" if self.ended else "running")

    @property
    def what(self) -> str:
        """The run of a ``workflow``, an ``activity``, or OpenTelemetry's kind of span."""
        runs = {"RunWorkflow": "workflow", "RunActivity": "activity"}
        return runs.get(self.name.partition(":")[0], self.kind)


@dataclass
class Story:
    """One trace: its rows in the order of a waterfall, and the pauses that are drawn short."""

    trace: str
    rows: list[Row]
    # Where in the width, and how many nanoseconds.
    pauses: list[tuple[float, int]]
    # How many spans are not shown.
    more: int

    @property
    def took(self) -> int:
        return max(row.until for row in self.rows) - self.rows[0].started


def newest(file: Path, filters: dict[str, str]) -> list[dict[str, Any]]:
    """Return the newest stories. *filters*: a text for ``path``, ``task`` or ``workflow``, anything
    for ``slow`` and ``failed``; without one, those that nobody but a clock began are left out."""
    conditions = ["root.root", *(FILTERS[name] for name in filters or ["eventful"])]
    values = [f"%{filters[name]}%" for name in filters for _ in range(FILTERS[name].count("?"))]
    with closing(connect(file)) as db:
        mark_killed(db, file)
        return _all(db, LIST.format(" AND ".join(conditions)), *values, STORIES)


def story(file: Path, trace: str) -> Story | None:
    """Return the story of this trace, or of one whose id begins so; None if there is none."""
    with closing(connect(file)) as db:
        mark_killed(db, file)
        begins = "SELECT trace, count(*) AS many FROM span WHERE trace >= ? AND trace < ? || 'g'"
        found = _all(db, f"{begins} GROUP BY trace LIMIT 1", trace, trace)
        if not found:
            return None
        trace = found[0]["trace"]
        spans = {one["id"]: Row(**one) for one in _all(db, SPANS_OF, trace, SPANS)}
        for row in spans.values():
            row.attributes = json.loads(str(row.attributes))
        for line in _all(db, LINES_OF, trace, LINES):
            if line["span"] in spans:
                spans[line["span"]].lines.append(line)
    rows = _in_order(spans)
    _attempts(rows)
    return Story(trace, rows, _place(rows), found[0]["many"] - len(rows))


def _all(db: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    db.row_factory = sqlite3.Row
    return [dict(row) for row in db.execute(query, values)]


def _in_order(found: dict[str, Row]) -> list[Row]:
    """Return the rows as a tree is read, each below its parent, and say until when each lasts."""
    # The steps of a workflow lie beside its run, below what started it.
    runs = {_run(row): row for row in found.values() if row.what == "workflow"}
    top: list[Row] = []
    for row in found.values():
        beside = runs.get(_run(row), row)
        parent = beside if beside is not row else found.get(row.parent or "")
        (parent.children if parent else top).append(row)
    ordered: list[Row] = []
    waiting = top[::-1]
    while waiting:
        row = waiting.pop()
        ordered.append(row)
        for child in row.children:
            child.depth = row.depth + 1
        waiting += row.children[::-1]
    for row in reversed(ordered):
        row.until = row.ended or max([row.started, *(line["time"] for line in row.lines)])
        if not row.ended or row.what == "workflow":
            row.until = max([row.until, *(child.until for child in row.children)])
    return ordered


def _run(row: Row) -> tuple[object, object]:
    return row.parent, row.attributes.get("temporalRunID")


def _attempts(rows: list[Row]) -> None:
    """Number the attempts at each task and activity, and say how long each has waited."""
    found = {row.id: row for row in rows}
    tries: dict[tuple, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.started):
        if row.what not in ("consumer", "activity"):
            continue
        ids = ("messaging.message.id", "temporalRunID", "temporalActivityID")
        attempts = tries.setdefault(tuple(map(row.attributes.get, ids)), [])
        asked = found.get(row.parent or "", row).started
        row.waited = max(0, row.started - max([asked, *(one.until for one in attempts)]))
        attempts.append(row)
        for number, one in enumerate(attempts if len(attempts) > 1 else [], 1):
            one.attempt = number


def _place(rows: list[Row]) -> list[tuple[float, int]]:
    """Say where each bar is, and return the pauses: where, and how long."""
    busy: list[list[int]] = []
    for row in sorted(rows, key=lambda row: row.started):
        until = row.started if row.what == "workflow" else row.until
        if busy and row.started - busy[-1][1] < PAUSE:
            busy[-1][1] = max(busy[-1][1], until)
        else:
            busy.append([row.started, until])
    pause = min(PAUSE_WIDTH, 50 / len(busy))
    scale = (100 - pause * (len(busy) - 1)) / (sum(end - start for start, end in busy) or 1)
    edges, x = [], 0.0  # the times between which the axis is straight, and their places
    for start, end in busy:
        edges += [(start, x), (end, x + (end - start) * scale)]
        x = edges[-1][1] + pause

    def place(time: int) -> float:
        for (start, left), (end, right) in pairwise(edges):
            if time <= end:
                return left + (right - left) * max(0, time - start) / (end - start or 1)
        return edges[-1][1]

    for row in rows:
        row.left, row.width = place(row.started), place(row.until) - place(row.started)
        row.wait = place(row.started) - place(row.started - row.waited)
    gaps = list(pairwise(edges))[1::2]
    return [((left + right) / 2, end - start) for (start, left), (end, right) in gaps]
