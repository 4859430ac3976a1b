"""Gives the tasks of a killed worker back to their queues, some 20 seconds after its end.

Redis does not know when a consumer is gone. Kombu keeps all messages that are handed out and not
acknowledged in one place, and puts back those that have been there for longer than the
"visibility timeout", an hour by default: longer than any task, for it would run twice otherwise.

Here each worker process has a place of its own, and a lease that it renews while it lives. What
lies in a place without a lease was left by a dead worker, and any other worker puts it back. So
tasks and countdowns may be long, and a killed worker's tasks need not wait for an hour.

A task may be what ends its worker, and would end one after the other. So its message notes the
places of the dead that it was in, and after some it is put aside with the tasks that failed, which
`tasks.failures` shows in the admin. A worker that was only silent, such as one on a machine that
slept, comes back and says so; it does not count.
"""

import json
import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from celery import bootsteps
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from kombu.common import ignore_errors

logger = get_logger(__name__)

# Kombu's `Connection`, whose type does not know the channels of Redis.
RedisConnection = Any

# Seconds without a sign of life after which a worker counts as dead.
LEASE = 20
# Seconds between two renewals. Each one looks for dead workers, too.
RENEWAL = 5
# The Redis set of all places.
PLACES = "unacked-places"
# Workers that may die with a task in hand before it is put aside.
DEATHS = 3
# The Redis list of what is put aside, and of what failed: see `tasks/failures.py`.
DEAD = "dead-tasks"
# Seconds for which it is known that a silent worker came back: longer than a task is under way.
MEMORY = 7 * 24 * 60 * 60


class Recovery(bootsteps.StartStopStep):
    """Starts each time that a worker has connected to Redis, before it takes messages."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, consumer: Consumer, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        self.app = consumer.app
        self.place = f"unacked-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.app.conf.broker_transport_options = {
            **self.app.conf.broker_transport_options,
            "unacked_key": self.place,
            "unacked_index_key": _index(self.place),
            "unacked_mutex_key": f"{self.place}-mutex",
        }
        self.channel: Any = None
        self.thread = threading.Thread(target=self.keep_alive, daemon=True)

    def start(self, consumer: Consumer) -> None:
        # Two ways in which Celery 5.7 ends a worker that has lost its connection: kombu puts back
        # what is not acknowledged over the broken connection (here it is done over the new one),
        if self.channel:
            # and a task from before that ends now is acknowledged over it.
            self.channel.basic_ack = self.channel.basic_reject = lambda *_, **__: None
        self.channel = consumer.connection.default_channel
        self.channel.do_restore = False

        renew(consumer.connection, self.place, again=self.thread.is_alive())
        # After a lost connection: what ran was cancelled, and could not be acknowledged either.
        restore(consumer.connection, self.place)
        restore_dead(consumer.connection)
        if not self.thread.is_alive():
            self.thread.start()

    def shutdown(self, consumer: Consumer) -> None:
        # What did not end in time. Without Redis it stays, and others find it by the lease.
        if consumer.connection:
            ignore_errors(consumer, restore, consumer.connection, self.place)

    def keep_alive(self) -> None:
        """Renew the lease until the process ends, also while it waits for its last tasks."""
        while True:
            try:
                with self.app.connection_for_read() as connection:
                    while True:
                        time.sleep(RENEWAL)
                        renew(connection, self.place, again=True)
                        restore_dead(connection)
            except Exception as error:
                # Whatever it is: without its lease, the worker's tasks would run a second time.
                logger.warning("Could not renew the lease: %s", error)


def renew(connection: RedisConnection, place: str, again: bool) -> None:
    """Say that the worker whose place this is lives."""
    with connection.default_channel.conn_or_acquire() as redis:
        if redis.sadd(PLACES, place) and again:
            # It was silent for so long that others took it for dead.
            redis.set(_returned(place), "", ex=MEMORY)
        redis.set(_lease(place), "", ex=LEASE)


def restore_dead(connection: RedisConnection) -> None:
    """Put back what dead workers had taken."""
    with connection.default_channel.conn_or_acquire() as redis:
        places = [name.decode() for name in redis.smembers(PLACES)]
        for place in places:
            if not redis.exists(_lease(place)):
                if count := restore(connection, place, dead=True):
                    logger.warning("A worker died: %d of its tasks go back (%s)", count, place)
                redis.srem(PLACES, place)


def restore(connection: RedisConnection, place: str, dead: bool = False) -> int:
    """Put the messages of a place back to their queues, and return how many they were.

    If its worker is dead, those that were in the hands of too many dead workers are put aside.
    """
    with connection.channel() as channel, channel.conn_or_acquire() as redis:
        channel.unacked_key, channel.unacked_index_key = place, _index(place)
        put_back = channel._do_restore_message

        def put_back_or_aside(message: dict, exchange: str, key: str, pipe, *args: bool) -> None:
            deaths = message["properties"].setdefault("deaths", [])
            if not _waits(message):
                deaths.append(place)
            if sum(not redis.exists(_lease(one), _returned(one)) for one in deaths) < DEATHS:
                put_back(message, exchange, key, pipe, *args)
                return
            pipe.rpush(DEAD, json.dumps([message, exchange, key]))
            headers = message["headers"]
            logger.error(
                "%d workers died while they ran %s[%s]. It is put aside: see the admin",
                len(deaths),
                headers["task"],
                headers["id"],
            )

        if dead:
            channel._do_restore_message = put_back_or_aside
        tags = redis.hkeys(place)
        for tag in tags:
            # A transaction: of two workers that do this at once, one finds the message.
            channel.qos.restore_by_tag(tag, redis)
    return len(tags)


def _waits(message: dict) -> bool:
    """Whether it was only to run later, so that its worker had not begun it."""
    eta = message["headers"].get("eta")
    return bool(eta) and datetime.fromisoformat(eta) > datetime.now(UTC)


def _index(place: str) -> str:
    return f"{place}-index"


def _lease(place: str) -> str:
    return f"{place}-lease"


def _returned(place: str) -> str:
    return f"{place}-returned"
