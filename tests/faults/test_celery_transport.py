"""The clients of Redis: one for a channel, where Kombu has one for each message."""

import pytest
import redis
from kombu.transport.redis import Transport

from config.celery import app
from tasks.fixtures import RedisServer

MESSAGES = 5


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[redis.Redis]:
    """The clients of Redis that this process makes."""
    made: list[redis.Redis] = []
    make = redis.Redis.__init__

    def note(self: redis.Redis, *args: object, **kwargs: object) -> None:
        made.append(self)
        make(self, *args, **kwargs)

    monkeypatch.setattr(redis.Redis, "__init__", note)
    return made


def exchange(transport: type[Transport] | None = None) -> None:
    """Publish some messages, take them and acknowledge them, on one channel."""
    with app.connection_for_write(transport=transport) as connection:
        queue = connection.SimpleQueue("exchange")
        for number in range(MESSAGES):
            queue.put(number)
            message = queue.get(timeout=5)
            assert message.payload == number
            message.ack()
        assert connection.default_channel._size("exchange") == 0


def test_a_channel_keeps_its_client(redis_server: RedisServer, broker, clients):
    broker(redis_server.url)
    exchange()
    assert len(clients) < MESSAGES


def test_kombu_makes_a_client_for_each_message(redis_server: RedisServer, broker, clients):
    broker(redis_server.url)
    exchange(Transport)
    why = "Kombu keeps its client now. Delete tasks/transport.py but for its prefixes."
    assert len(clients) > MESSAGES, why


def test_a_channel_goes_on_when_redis_was_away(redis_server: RedisServer, broker):
    broker(redis_server.url)
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("exchange")
        queue.put("before")
        redis_server.process.stop()
        redis_server.start()
        queue.put("after")
        assert {queue.get(timeout=5).payload for _ in range(2)} == {"before", "after"}
