"""The scheduler of `celery beat`: the schedule in the database, run by one beat at a time."""

import contextlib
import fcntl
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from celery.beat import SchedulingError
from celery.utils.log import get_logger
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config import heartbeat

logger = get_logger(__name__)

# The number of PostgreSQL's advisory lock. Any will do that nobody else takes ("beat").
LOCK = 0x6265_6174


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let a signal to end wait until this is done.

    Celery ends beat by an exception wherever the signal finds it: a task would be noted as sent
    that is not, or whoever catches everything would catch that too.
    """
    came: list[tuple] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.signal(number, lambda *signum: came.append(signum)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0][0])


class Scheduler(DatabaseScheduler):
    """Reads the schedule from the database, and runs it only while no other beat does.

    Two beats would send every task twice. A second one waits, and takes over when the first ends.
    """

    lock: IO | BaseDatabaseWrapper

    def __init__(self, *args: object, **kwargs: object) -> None:
        # What was due while Redis did not take it, by name: once each, however often it was due.
        self.missed: dict[str, ModelEntry] = {}
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        # Before the schedule is read: what the other beat sends meanwhile is not due here.
        self.lock = wait_for_lock()
        super().setup_schedule()

    def install_default_entries(self, data: dict) -> None:
        """Install nothing: Celery's one entry cleans up results, and Redis expires those."""

    def apply_entry(self, entry: ModelEntry, producer: object = None) -> None:
        # As in Celery, which adds sixty lines of traceback each time while Redis is down, and then
        # leaves out what was due.
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if entry.name not in self.missed:
                logger.error("%s. It is sent when that is over.", error)
            self.missed[entry.name] = entry
            # For a beat that starts meanwhile.
            entry.model.last_run_at = entry.last_run_at
        else:
            logger.info("Sent due task %s (%s)", entry.name, entry.task)
            self.missed.pop(entry.name, None)

    @undisturbed()
    def tick(self, **kwargs: object) -> float:
        if isinstance(self.lock, BaseDatabaseWrapper):
            # The lock is gone with its connection. Raises then, and the next start takes it.
            with self.lock.cursor() as cursor:
                cursor.execute("SELECT 1")
        for entry in list(self.missed.values()):
            self.apply_entry(entry, producer=self.producer)
            if entry.name not in self.missed:
                self.reserve(entry)
        delay = super().tick(**kwargs)
        heartbeat.beat()
        return delay

    @undisturbed()
    def sync(self) -> None:
        super().sync()

    def close(self) -> None:
        heartbeat.remove()
        super().close()


def wait_for_lock() -> IO | BaseDatabaseWrapper:
    """Wait until no other beat uses this database, and return what holds the lock from then on.

    The operating system or the database frees it when this process ends, however it ends.
    """
    # Celery's own handler wants the scheduler, which is not there yet.
    handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    said = False
    while (lock := _try_lock()) is None:
        if not said:
            logger.warning("Another beat runs on this database. Waiting until it ends.")
            said = True
        time.sleep(1)
    signal.signal(signal.SIGTERM, handler)
    return lock


def _try_lock() -> IO | BaseDatabaseWrapper | None:
    if connection.vendor == "postgresql":
        # A connection of its own, which lasts as long as this process. (A pooler that hands out
        # connections by transaction cannot hold such a lock: bypass it.)
        own = connections.create_connection("default")
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            if cursor.fetchone()[0]:
                return own
        own.close()
        return None
    # Everybody who uses an SQLite file is on this machine.
    file = Path(f"{connection.settings_dict['NAME']}.beat").open("w")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
