"""Keeps stories on this machine: spans and log lines, in an SQLite file that all processes share.

Whoever works appends to a queue in memory and goes on. A thread writes the queue down, at once when
there was nothing to do, and drops it if that fails: a full disk costs stories, not work.

A span is written when it starts, too. If it has no end and its process is gone, it was killed: each
process holds a lock on a byte of its own of a file, which the system frees when the process ends.
"""

import fcntl
import json
import logging
import os
import platform
import sqlite3
import sys
import threading
import time
from collections import deque
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from .cleaning import attributes_of, error_of

# Spans and lines that may wait to be written. The oldest go first.
QUEUE = 10_000
# Seconds between two writes under load, after one that failed, and for which an ending waits.
PAUSE, AGAIN, PATIENCE = 0.2, 5, 1
# How much is kept, and after how many written rows that is looked after.
KEEP, BYTES, CHECK_EVERY = 7 * 24 * 60 * 60, 100_000_000, 2000

SCHEMA = """
CREATE TABLE IF NOT EXISTS process (id INTEGER PRIMARY KEY, name TEXT, pid INTEGER, host TEXT);
CREATE TABLE IF NOT EXISTS span (
    name TEXT, ended INTEGER, error TEXT, attributes TEXT, trace TEXT, id TEXT,
    parent TEXT, root INTEGER, kind TEXT, process INTEGER, started INTEGER
);
CREATE INDEX IF NOT EXISTS span_trace ON span (trace);
CREATE INDEX IF NOT EXISTS span_root ON span (started) WHERE root;
CREATE INDEX IF NOT EXISTS span_open ON span (process) WHERE ended IS NULL;
CREATE TABLE IF NOT EXISTS line (
    process INTEGER, trace TEXT, span TEXT, time INTEGER, level TEXT, logger TEXT, text TEXT
);
CREATE INDEX IF NOT EXISTS line_trace ON line (trace);
"""
WRITE_SPAN = "INSERT INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# An index of the ids would cost more than all the rest.
END_SPAN = (
    "UPDATE span SET name = ?, ended = ?, error = ?, attributes = ? WHERE trace = ? AND id = ?"
)
WRITE_LINE = "INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?)"

logger = logging.getLogger(__name__)


class Store(SpanProcessor):
    """Writes what happens in this process. It may be forked."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.begin()
        os.register_at_fork(
            before=self.rest,
            after_in_parent=lambda: self.writing.release(),
            after_in_child=self.begin,
        )

    def begin(self) -> None:
        """Begin anew, in a process of its own."""
        self.queue: deque[ReadableSpan | tuple] = deque(maxlen=QUEUE)
        self.wake, self.hurry = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None
        self.starting, self.writing = threading.Lock(), threading.Lock()
        self.connection: sqlite3.Connection | None = None
        self.process = 0
        self.open: set[int] = set()
        self.written = CHECK_EVERY
        self.busy = False

    def rest(self) -> None:
        """Close the file before a fork: SQLite's locks would confuse it in the new process."""
        self.writing.acquire()
        if self.connection:
            self.connection.close()
            self.connection = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.put(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.put(span)

    def put(self, entry: ReadableSpan | tuple) -> None:
        """Take a span, or a line: the columns of its row, without the process."""
        self.queue.append(entry)
        if not self.wake.is_set():
            self.wake.set()
        if self.thread is None:
            with self.starting:
                if self.thread is None:
                    self.thread = threading.Thread(target=self.run, name="telemetry", daemon=True)
                    self.thread.start()

    def run(self) -> None:
        reported = 0.0
        while True:
            self.wake.wait()
            self.wake.clear()
            self.busy = True
            try:
                with self.writing:
                    self.write()
                pause = PAUSE
            except Exception as error:
                self.connection, self.process, pause = None, 0, AGAIN
                if not reported or time.monotonic() - reported > 600:
                    reported = time.monotonic()
                    logger.warning("Stories cannot be written to %s: %s", self.file, error)
            self.busy = False
            self.hurry.wait(pause)
            self.hurry.clear()

    def write(self) -> None:
        """Write all that waits, in one transaction. Raises what SQLite does; it is lost then."""
        entries = [self.queue.popleft() for _ in range(len(self.queue))]
        if not entries:
            return
        if self.connection is None:
            self.connection = connect(self.file)
        connection = self.connection
        # The start of a span that has ended meanwhile is not written.
        spans = {entry.context.span_id: entry for entry in entries if not isinstance(entry, tuple)}
        lines = [entry for entry in entries if isinstance(entry, tuple)]
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            self.process = self.process or _register(connection, self.file)
            rows = {id: self.row(span) for id, span in spans.items()}
            begun = [row[:6] for id, row in rows.items() if id in self.open]
            connection.executemany(END_SPAN, begun)
            new = [row for id, row in rows.items() if id not in self.open]
            connection.executemany(WRITE_SPAN, new)
            connection.executemany(WRITE_LINE, ((self.process, *line) for line in lines))
        for id, row in rows.items():
            (self.open.discard if row[1] else self.open.add)(id)
        self.written += len(entries)
        if self.written >= CHECK_EVERY:
            self.written = 0
            prune(connection)

    def row(self, span: ReadableSpan) -> tuple:
        context, parent = span.context, span.parent
        # A request begins a story, whoever asked.
        root = parent is None or "http.request.method" in (span.attributes or {})
        return (
            span.name,
            # One that has just started may have ended by now: that is told by another entry.
            None if isinstance(span, Span) else span.end_time,
            error_of(span),
            json.dumps(attributes_of(span), default=str),
            f"{context.trace_id:032x}",
            f"{context.span_id:016x}",
            f"{parent.span_id:016x}" if parent else None,
            root,
            span.kind.name.lower(),
            self.process,
            span.start_time,
        )

    def force_flush(self, timeout_millis: int = 1000 * PATIENCE) -> bool:
        end = time.monotonic() + timeout_millis / 1000
        while (self.queue or self.busy) and self.thread and time.monotonic() < end:
            self.hurry.set()
            time.sleep(0.005)
        return not self.queue

    def shutdown(self) -> None:
        self.force_flush()


def connect(file: Path) -> sqlite3.Connection:
    """Open the stories of this machine. Raises `sqlite3.Error` if they cannot be."""
    connection = sqlite3.connect(file, timeout=5, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=NORMAL")
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'line_trace'").fetchone():
        # One after the other: SQLite waits for nobody here.
        fcntl.lockf(_lock(file), fcntl.LOCK_EX, 1, 0)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(SCHEMA)
        fcntl.lockf(_lock(file), fcntl.LOCK_UN, 1, 0)
    return connection


def prune(connection: sqlite3.Connection) -> None:
    """Let what is too old go, and the oldest of what is too much."""
    before = time.time_ns() - KEEP * 10**9
    used = "SELECT (page_count - freelist_count) * page_size FROM"
    used += " pragma_page_count, pragma_freelist_count, pragma_page_size"
    while True:
        connection.execute("DELETE FROM span WHERE started < ?", [before])
        connection.execute("DELETE FROM line WHERE time < ?", [before])
        if connection.execute(used).fetchone()[0] <= BYTES:
            return
        oldest = "SELECT max(started) + 1 FROM (SELECT started FROM span ORDER BY rowid LIMIT ?)"
        tenth = connection.execute("SELECT count(*) / 10 + 1 FROM span").fetchone()[0]
        before = connection.execute(oldest, [tenth]).fetchone()[0]
        if before is None:
            return


def mark_killed(connection: sqlite3.Connection, file: Path) -> None:
    """Note of open spans that their processes have gone."""
    lock = _lock(file)
    query = "SELECT DISTINCT process FROM span WHERE ended IS NULL AND error IS NULL"
    for (process,) in connection.execute(query).fetchall():
        if (file, process) in _mine or not _try(lock, process):
            continue
        fcntl.lockf(lock, fcntl.LOCK_UN, 1, process)
        killed = "UPDATE span SET error = 'killed' WHERE process = ? AND ended IS NULL"
        connection.execute(killed, [process])


# The lock is the process's: closing any descriptor of its file would free it. So one stays open.
_locks: dict[Path, int] = {}
# The numbers of this process, one for each store.
_mine: set[tuple[Path, int]] = set()
os.register_at_fork(after_in_child=_mine.clear)


def _lock(file: Path) -> int:
    if file not in _locks:
        _locks[file] = os.open(f"{file}-alive", os.O_RDWR | os.O_CREAT, 0o600)
    return _locks[file]


def _try(lock: int, process: int) -> bool:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, process)
    except OSError:
        return False
    return True


def _register(connection: sqlite3.Connection, file: Path) -> int:
    columns = (process_name(), os.getpid(), platform.node())
    insert = "INSERT INTO process (name, pid, host) VALUES (?, ?, ?)"
    process = connection.execute(insert, columns).lastrowid or 0
    # Before the commit: from then on others look whether it lives.
    _try(_lock(file), process)
    _mine.add((file, process))
    return process


def process_name() -> str:
    """The name by which people know this process: that of the stack, or else of its command."""
    words = [word.removesuffix("/__main__.py") for word in sys.argv if not word.startswith("-")]
    command = " ".join(Path(word).name for word in words[:2])
    return os.environ.get("PC_PROC_NAME") or command or "python"
