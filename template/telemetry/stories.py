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
SELECT root.trace, root.name, root.started, root.ended, process.name AS process,
    (SELECT count(*) FROM span WHERE trace = root.trace) AS spans,
    (SELECT count(DISTINCT process) FROM span WHERE trace = root.trace) AS processes,
    (SELECT group_concat(DISTINCT error) FROM span WHERE trace = root.trace) AS error,
    (SELECT max(coalesce(ended, started)) FROM span WHERE trace = root.trace) AS last
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
EVENTFUL = "(json_extract(root.attributes, '$.\"http.request.method\"') IS NOT NULL"
EVENTFUL += f" OR {FILTERS['failed']})"


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
    # Which attempt it is, if there was more than one.
    attempt: int = 0
    # When it could have begun, had a worker been free.
    due: int = 0
    # What the bar shows: a workflow lasts until its last child has ended.
    until: int = 0
    left: float = 0
    width: float = 0
    wait: float = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    children: list["Row"] = field(default_factory=list)

    @property
    def is_workflow(self) -> bool:
        """Whether it is the run of a workflow, whose own span has no length."""
        return self.name.startswith("RunWorkflow:")

    @property
    def work(self) -> object:
        """What this is an attempt at: the id of a task, or of an activity; None for other spans."""
        if self.kind == "consumer":
            return self.attributes.get("messaging.message.id")
        if self.name.startswith("RunActivity:"):
            ids = ("temporalRunID", "temporalActivityID")
            return tuple(self.attributes.get(id) for id in ids)
        return None

    @property
    def took(self) -> int:
        return self.until - self.started

    @property
    def waited(self) -> int:
        return self.started - self.due

    @property
    def wait_left(self) -> float:
        return self.left - self.wait

    @property
    def look(self) -> str:
        """The classes of its bar."""
        if self.error:
            return "killed" if self.error == "killed" else "bad"
        kind = "activity" if self.name.startswith("RunActivity:") else self.kind
        return "workflow" if self.is_workflow else kind if self.ended else f"{kind} running"

    @property
    def state(self) -> str:
        """How it ended: its error, ``running``, or nothing."""
        return self.error or ("" if self.ended else "running")


@dataclass
class Story:
    """One trace: its rows in the order of a waterfall, and the pauses that are drawn short."""

    trace: str
    rows: list[Row]
    # Where in the width, and how many nanoseconds.
    pauses: list[tuple[float, int]]
    more: int

    @property
    def took(self) -> int:
        return max(row.until for row in self.rows) - self.rows[0].started

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row.error]


def newest(file: Path, filters: dict[str, str]) -> list[dict[str, Any]]:
    """Return the newest stories. *filters*: a text for ``path``, ``task`` or ``workflow``, anything
    for ``slow`` and ``failed``; without one, those that nobody but a clock began are left out."""
    conditions: list[str] = ["root.root"]
    values: list[str] = []
    for name, text in filters.items():
        conditions.append(FILTERS[name])
        values += [f"%{text}%"] * FILTERS[name].count("?")
    if not filters:
        conditions.append(EVENTFUL)
    with closing(connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        mark_killed(connection, file)
        query = LIST.format(" AND ".join(conditions))
        found = [dict(row) for row in connection.execute(query, [*values, STORIES])]
    for one in found:
        one["answered"] = one["ended"] and one["ended"] - one["started"]
        one["took"] = one["last"] - one["started"]
    return found


def story(file: Path, trace: str) -> Story | None:
    """Return the story of this trace, or of one whose id begins so; None if there is none."""
    with closing(connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        mark_killed(connection, file)
        begins = "SELECT trace FROM span WHERE trace >= ? AND trace < ? || 'g' LIMIT 1"
        trace = (connection.execute(begins, [trace, trace]).fetchone() or [""])[0]
        spans = connection.execute(
            "SELECT span.id, parent, span.name, kind, process.name || ' ' || pid AS process,"
            " started, ended, error, attributes"
            " FROM span JOIN process ON process.id = process WHERE trace = ?"
            " ORDER BY started LIMIT ?",
            [trace, SPANS],
        ).fetchall()
        lines = connection.execute(
            "SELECT span, time, level, logger, text FROM line"
            " WHERE trace = ? ORDER BY time LIMIT ?",
            [trace, LINES],
        ).fetchall()
        count = "SELECT count(*) FROM span WHERE trace = ?"
        many = connection.execute(count, [trace]).fetchone()[0]
    if not spans:
        return None
    found = {span["id"]: _row(span) for span in spans}
    for line in lines:
        if line["span"] in found:
            found[line["span"]].lines.append(dict(line))
    rows = _in_order(found)
    for row in reversed(rows):
        _end(row)
    _count(rows)
    return Story(trace, rows, _place(rows), many - len(spans))


def _row(span: sqlite3.Row) -> Row:
    return Row(**dict(span) | {"attributes": json.loads(span["attributes"])})


def _in_order(found: dict[str, Row]) -> list[Row]:
    """Return the rows as a tree is read: each below its parent."""
    # The steps of a workflow lie beside its run, below what started it.
    runs = {_run(row): row for row in found.values() if row.is_workflow}
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
    return ordered


def _run(row: Row) -> tuple[object, object]:
    return row.parent, row.attributes.get("temporalRunID")


def _end(row: Row) -> None:
    """Say until when the row is drawn, after that is known of its children."""
    row.until = row.ended or max([row.started, *(line["time"] for line in row.lines)])
    if not row.ended or row.is_workflow:
        row.until = max([row.until, *(child.until for child in row.children)])


def _count(rows: list[Row]) -> None:
    """Number the attempts at each task and activity, and say since when each has been due."""
    found = {row.id: row for row in rows}
    tries: dict[object, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.started):
        row.due = row.started
        if row.work:
            attempts = tries.setdefault(row.work, [])
            asked = [one.started for one in [found.get(row.parent or "")] if one]
            row.due = min(row.started, max([*asked, *(one.until for one in attempts)], default=0))
            attempts.append(row)
            for number, one in enumerate(attempts if len(attempts) > 1 else [], 1):
                one.attempt = number


def _place(rows: list[Row]) -> list[tuple[float, int]]:
    """Say where each bar is, and return the pauses: where, and how long."""
    busy: list[list[int]] = []
    for row in sorted(rows, key=lambda row: row.started):
        until = row.started if row.is_workflow else row.until
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
        row.wait = place(row.started) - place(row.due or row.started)
    gaps = list(pairwise(edges))[1::2]
    return [((left + right) / 2, end - start) for (start, left), (end, right) in gaps]
