"""The clients of Redis of a worker: `tasks/recovery.py` keeps one, where Kombu makes many."""

import os
from pathlib import Path

import redis
from kombu.transport.redis import Channel

from config.celery import app
from tasks.fixtures import CeleryCommand, RedisServer, wait_until

MESSAGES = 20
# In the worker: counts what its main process makes, in a file.
COUNT = """
import os, redis
main, make = os.getpid(), redis.Redis.__init__
def count(self, *args, **kwargs):
    if os.getpid() == main:
        with open(os.environ["CLIENTS"], "a") as file: file.write(".")
    make(self, *args, **kwargs)
redis.Redis.__init__ = count
from chores import *
"""


def test_a_worker_keeps_its_client(celery: CeleryCommand, notes, tmp_path: Path):
    (tmp_path / "counted.py").write_text(COUNT)
    clients = tmp_path / "clients"
    folders = [str(tmp_path), str(Path(__file__).parent)]
    celery.env |= {"CLIENTS": str(clients), "PYTHONPATH": os.pathsep.join(folders)}
    celery.worker("-I", "counted")
    before = len(clients.read_text())
    for _ in range(MESSAGES):
        app.send_task("chores.note", [str(notes)])
    wait_until(lambda: notes.read_text().count("noted") == MESSAGES, "the tasks")
    assert len(clients.read_text()) - before < MESSAGES


def test_kombu_makes_a_client_for_each_message(redis_server: RedisServer, broker, monkeypatch):
    broker(redis_server.url)
    made: list[Channel] = []
    make = redis.Redis.__init__
    monkeypatch.setattr(
        redis.Redis,
        "__init__",
        lambda self, *_, **options: made.append(self) or make(self, **options),
    )
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("exchange")
        for _ in range(MESSAGES):
            queue.put("message")
            queue.get(timeout=5).ack()
    why = "Kombu keeps its client now: delete the one that `Recovery.start` keeps."
    assert len(made) > MESSAGES, why
