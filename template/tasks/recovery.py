"""Gives the tasks of a killed worker back to their queues.

Kombu keeps all messages that are handed out and not acknowledged in one place, and puts them back
after the "visibility timeout", which must be longer than any task. Here each worker has a place of
its own, and any other puts back what lies in the place of a dead one. On the same machine it knows
at once: a worker holds a lock on a file, which the system frees when the last of its processes
ends. Elsewhere it goes by a lease in Redis, which a worker renews while it lives.

A task may be what ends its worker, and would end one after the other. So its message notes the
places of the dead that it was in, and after some it becomes one that failed: `tasks.failures`. A
worker that was only silent, on a machine that slept, comes back and says so; it does not count.
"""

import fcntl
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.concurrency.prefork import TaskPool
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from celery.worker.state import active_requests
from kombu.common import ignore_errors

from .failures import DEAD, DIED, note_of

logger = get_logger(__name__)

# Seconds without a sign of life after which a worker of another machine is thought to be dead, and
# those for which one then watches whether it comes back. A Redis that stood still keeps all workers
# from renewing; once it is back, they have done so within `RENEWAL` and two time-outs.
LEASE, DOUBT = 60, 20
# Seconds between two renewals, each of which looks for dead workers, too; and its time-out.
RENEWAL, TIMEOUT = 5, 4
# The Redis set of all places.
PLACES = "unacked-places"
# Workers that may die with a task in hand before it is put aside.
DEATHS = 3
# Seconds for which it is known that a silent worker came back: longer than a task is under way.
MEMORY = 7 * 24 * 60 * 60


class Recovery(bootsteps.StartStopStep):
    """Starts each time that a worker has connected to Redis, before it takes messages."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, consumer: Consumer, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        self.app = consumer.app
        self.place = f"unacked-{consumer.hostname}-{uuid.uuid4().hex[:8]}"
        self.app.conf.broker_transport_options = {
            **self.app.conf.broker_transport_options,
            "unacked_key": self.place,
            "unacked_index_key": f"{self.place}-index",
            "unacked_mutex_key": f"{self.place}-mutex",
        }
        # Until this process and those that it forks have ended.
        self.lock = _lock_file(self.place).open("x")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        if not isinstance(consumer.pool, TaskPool):
            # Threads cannot be stopped. Their tasks go on, and are not put back: see `stop`.
            self.app.conf.worker_cancel_long_running_tasks_on_connection_loss = False
        self.running: set[Request] = set()
        self.channel: Any = None
        self.consumer = consumer
        self.thread = threading.Thread(target=self.keep_alive, daemon=True)

    def start(self, consumer: Consumer) -> None:
        # Two ways in which Celery 5.7 ends a worker that has lost its connection: kombu puts back
        # what is not acknowledged over the broken connection (here it is done over the new one),
        if self.channel:
            # and a task from before that ends now is acknowledged over it.
            self.channel.basic_ack = self.channel.basic_reject = lambda *_, **__: None
        self.channel = consumer.connection.default_channel
        self.channel.do_restore = False
        # Kombu would make a client for each message, in a tenth of this process's time.
        kept = self.channel._create_client()
        self.channel.conn_or_acquire = lambda client=None: nullcontext(client or kept)
        for request in self.running:
            request.message.channel = self.channel

        renew(consumer.connection, self.place, again=self.thread.is_alive())
        # After a lost connection: what was cancelled, and what could not be acknowledged.
        keep = {request.message.delivery_tag.encode() for request in self.running}
        restore(consumer.connection, self.place, keep)
        self.running.clear()
        restore_dead(consumer.connection, {})
        if not self.thread.is_alive():
            self.thread.start()

    def stop(self, consumer: Consumer) -> None:
        # The connection is lost. What still runs was not cancelled: it ends here.
        self.running.update(active_requests)

    def shutdown(self, consumer: Consumer) -> None:
        # What did not end in time. Without Redis it stays, and others find it.
        if consumer.connection:
            ignore_errors(consumer, restore, consumer.connection, self.place)

    def keep_alive(self) -> None:
        """Renew the lease until the process ends, also while it waits for its last tasks."""
        silent: dict[str, float] = {}
        times = dict.fromkeys(("socket_connect_timeout", "socket_timeout"), TIMEOUT)
        while True:
            time.sleep(RENEWAL)
            try:
                with self.app.connection_for_read() as connection:
                    connection.transport_options = connection.transport_options | times
                    while True:
                        if not renew(connection, self.place, again=True):
                            self.consumer.call_soon(_begin_anew)
                        restore_dead(connection, silent)
                        time.sleep(RENEWAL)
            except Exception as error:
                # Whatever it is: without its lease, the worker's tasks would run a second time.
                logger.warning("Could not renew the lease: %s", error)
                silent = {}


def _begin_anew() -> None:
    """End the connection: with it, Celery ends what runs elsewhere too, unless it is in threads."""
    raise ConnectionError("silent for too long: others run this worker's tasks again")


def renew(connection: Any, place: str, again: bool) -> bool:
    """Say that the worker whose place this is lives; return whether nobody took it for dead."""
    with connection.default_channel.conn_or_acquire() as redis:
        lapsed = redis.sadd(PLACES, place) and again
        if lapsed:
            redis.set(f"{place}-returned", "", ex=MEMORY)
        redis.set(f"{place}-lease", "", ex=LEASE)
    return not lapsed


def restore_dead(connection: Any, silent: dict[str, float]) -> None:
    """Put back what dead workers had taken.

    ``silent`` are those that have no lease and the time since when that is known here: the same
    dictionary at each call, and a new one after Redis has not answered.
    """
    now = time.monotonic()
    with connection.default_channel.conn_or_acquire() as redis:
        for place in [name.decode() for name in redis.smembers(PLACES)]:
            if not _has_ended(place):
                if redis.exists(f"{place}-lease"):
                    silent.pop(place, None)
                    continue
                if now - silent.setdefault(place, now) < DOUBT:
                    continue
            redis.delete(f"{place}-lease")
            if count := restore(connection, place, dead=True):
                logger.warning("A worker died: %d of its tasks go back (%s)", count, place)
            redis.srem(PLACES, place)
            with suppress(OSError):
                _lock_file(place).unlink()


def _has_ended(place: str) -> bool:
    """Whether its worker was on this machine, and none of its processes is left."""
    try:
        with _lock_file(place).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # there is no such file here, or somebody holds it
        return False
    return True


def restore(connection: Any, place: str, keep: Iterable[bytes] = (), dead: bool = False) -> int:
    """Put the messages of a place back to their queues, but for the tags to keep; return how many.

    If its worker is dead, those that were in the hands of too many dead workers are put aside.
    """
    with connection.channel() as channel, channel.conn_or_acquire() as redis:
        channel.unacked_key, channel.unacked_index_key = place, f"{place}-index"
        put_back = channel._do_restore_message

        def put_back_or_aside(message: dict, exchange: str, key: str, pipe, *args: bool) -> None:
            deaths = message["properties"].setdefault("deaths", [])
            eta = message["headers"].get("eta")
            # One that was only to run later had not been begun.
            if not eta or datetime.fromisoformat(eta) <= datetime.now(UTC):
                deaths.append(place)
            lost = [one for one in deaths if not redis.exists(f"{one}-lease", f"{one}-returned")]
            if len(lost) < DEATHS:
                put_back(message, exchange, key, pipe, *args)
                return
            note = note_of(channel.Message(message, channel=channel), DIED)
            pipe.rpush(DEAD, json.dumps(note))
            what = "%d workers died while they ran %s[%s]. It is put aside: see the admin"
            logger.error(what, len(deaths), note["task"], note["id"])

        if dead:
            channel._do_restore_message = put_back_or_aside
        tags = set(redis.hkeys(place)) - set(keep)
        for tag in tags:
            # A transaction: of two workers that do this at once, one finds the message.
            channel.qos.restore_by_tag(tag, redis)
    return len(tags)


def _lock_file(place: str) -> Path:
    return Path(tempfile.gettempdir(), Path(place).name)
