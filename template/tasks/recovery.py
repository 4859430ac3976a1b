"""Gives the tasks of a killed worker back to their queues, some 20 seconds after its end.

Redis does not know when a consumer is gone. Kombu keeps all messages that are handed out and not
acknowledged in one place, and puts back those that have been there for longer than the
"visibility timeout", an hour by default: longer than any task, for it would run twice otherwise.

Here each worker process has a place of its own, and a lease that it renews while it lives. What
lies in a place without a lease was left by a dead worker, and any other worker puts it back. So
tasks and countdowns may be long, and a killed worker's tasks need not wait for an hour.
"""

import os
import socket
import threading
import time
import uuid

from celery import bootsteps
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.common import ignore_errors

logger = get_logger(__name__)

# Seconds without a sign of life after which a worker counts as dead.
LEASE = 20
# Seconds between two renewals. Each one looks for dead workers, too.
RENEWAL = 5
# The Redis set of all places.
PLACES = "unacked-places"


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
        self.channel = None
        self.thread = threading.Thread(target=self.keep_alive, daemon=True)

    def start(self, consumer: Consumer) -> None:
        # Two ways in which Celery 5.7 ends a worker that has lost its connection: kombu puts back
        # what is not acknowledged over the broken connection (here it is done over the new one),
        if self.channel:
            # and a task from before that ends now is acknowledged over it.
            self.channel.basic_ack = self.channel.basic_reject = lambda *_, **__: None
        self.channel = consumer.connection.default_channel
        self.channel.do_restore = False

        renew(consumer.connection, self.place)
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
                        renew(connection, self.place)
                        restore_dead(connection)
            except Exception as error:
                # Whatever it is: without its lease, the worker's tasks would run a second time.
                logger.warning("Could not renew the lease: %s", error)


def renew(connection: Connection, place: str) -> None:
    """Say that the worker whose place this is lives."""
    with connection.default_channel.conn_or_acquire() as redis:
        redis.sadd(PLACES, place)
        redis.set(_lease(place), "", ex=LEASE)


def restore_dead(connection: Connection) -> None:
    """Put back what dead workers had taken."""
    with connection.default_channel.conn_or_acquire() as redis:
        places = [name.decode() for name in redis.smembers(PLACES)]
        for place in places:
            if not redis.exists(_lease(place)):
                if count := restore(connection, place):
                    logger.warning("A worker died: %d of its tasks go back (%s)", count, place)
                redis.srem(PLACES, place)


def restore(connection: Connection, place: str) -> int:
    """Put the messages of a place back to their queues, and return how many they were."""
    with connection.channel() as channel, channel.conn_or_acquire() as redis:
        channel.unacked_key, channel.unacked_index_key = place, _index(place)
        tags = redis.hkeys(place)
        for tag in tags:
            # A transaction: of two workers that do this at once, one finds the message.
            channel.qos.restore_by_tag(tag, redis)
    return len(tags)


def _index(place: str) -> str:
    return f"{place}-index"


def _lease(place: str) -> str:
    return f"{place}-lease"
