"""Tasks that failed for good: from the workers into Redis, and from there into the database.

A database that is down makes many tasks fail, and could not note that. So a worker leaves a note in
a Redis list, and `collect` makes rows of the notes: once a minute, and whenever somebody looks.
"""

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Thread, current_thread, main_thread
from typing import Any

from billiard import current_process
from celery import Task, current_app, shared_task, signals
from celery.exceptions import QueueNotFound
from django.conf import settings
from django.core.management import call_command
from django.db import DataError, transaction
from django.db.models import F
from django.utils import timezone
from kombu import Message
from kombu.exceptions import OperationalError
from kombu.transport.redis import GlobalKeyPrefixMixin
from kombu.utils import json
from redis.exceptions import LockError, RedisError

from config.error_reports import without_passwords

from .models import FailedTask

# The Redis list of the notes.
DEAD = "dead-tasks"
# The header of a message that runs a failed task again: the key of its row.
AGAIN = "failed_task"
# The error of a message that `tasks.recovery` put aside.
DIED = "One worker after the other died while it ran."
# How long it is known that a task failed which has succeeded since, or was given up.
KEEP = timedelta(days=90)
# What is raised if Redis does not answer.
UNAVAILABLE = (OperationalError, RedisError)

# Kombu puts `CELERY_KEY_PREFIX` before keys only in commands that it uses itself. These are ours.
GlobalKeyPrefixMixin.PREFIXED_SIMPLE_COMMANDS += ["HKEYS", "LRANGE", "LREM"]
GlobalKeyPrefixMixin.PREFIXED_COMPLEX_COMMANDS["EXISTS"] = {"args_start": 0, "args_end": None}

logger = logging.getLogger(__name__)


class Refused(Exception):
    """It cannot be run again."""


@signals.task_failure.connect
def note_failure(
    sender: Task, task_id: str, exception: BaseException, args: Any, kwargs: Any, **_: object
) -> None:
    """Also called in a worker's main process, when a time limit or a signal ended the other one."""
    if not sender.request.is_eager:
        error = f"{type(exception).__name__}: {exception}"
        note = _note(sender.name, task_id, sender.request.delivery_info, error)
        _leave(note | {"args": json.dumps(args), "kwargs": json.dumps(kwargs)})


@signals.task_unknown.connect
@signals.task_rejected.connect
def note_message(message: Message, exc: Exception | None = None, **_: object) -> None:
    """A message of an unregistered task, or one that is not a task's."""
    error = f"{type(exc).__name__}: {exc}" if exc else "It is not the message of a task."
    if isinstance(exc, KeyError):
        error = "NotRegistered: its worker knows no such task."
    _leave(note_of(message, error))


def note_of(message: Message, error: str) -> dict[str, Any]:
    """Return the note of a whole message, which may be whatever somebody wrote into Redis."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    name, task_id = str(headers.get("task", "?")), str(headers.get("id", ""))
    note = _note(name, task_id, message.delivery_info, error)
    with suppress(Exception):
        args, kwargs, _ = message.decode()
        if isinstance(args, list):
            note |= {"args": json.dumps(args), "kwargs": json.dumps(kwargs)}
    return note


@signals.task_success.connect
def note_success(sender: Task, **_: object) -> None:
    """Only if it is a failed task that was run again."""
    if AGAIN in (sender.request.headers or {}):
        _leave({"succeeded": sender.request.headers[AGAIN], "at": time.time()})


@shared_task
def collect_all() -> None:
    """Make rows of all notes. Beat calls it every minute."""
    collect(30)


@shared_task(name="tasks.cleanup.clean_up")  # as in the schedules of older projects
def clean_up() -> None:
    """Delete the sessions that have expired, which Django leaves in the database, and the records
    of failed tasks with which nothing is left to do."""
    call_command("clearsessions")
    old = FailedTask.objects.filter(last_failed_at__lt=timezone.now() - KEEP)
    old.exclude(state=FailedTask.State.FAILED).delete()


def collect(seconds: float = 1) -> None:
    """Make rows of the notes, for so many seconds at most. Raises if Redis does not answer."""
    end = time.monotonic() + seconds
    # One at a time, or a note would be counted twice.
    lock = {"timeout": 60, "blocking_timeout": 1}
    with _redis() as (redis, channel), suppress(LockError), redis.lock(f"{DEAD}-lock", **lock):
        while (notes := redis.lrange(DEAD, 0, 99)) and time.monotonic() < end:
            with transaction.atomic():
                for note in notes:
                    try:
                        with transaction.atomic():
                            _record(json.loads(note), channel)
                    except (DataError, AttributeError, LookupError, TypeError, ValueError):
                        # One that nobody can read must not keep the others from being seen.
                        logger.exception("This note of a failed task cannot be kept: %s", note)
            # A process that dies in between leaves notes whose ids the rows know already.
            with redis.pipeline() as pipe:
                for note in notes:
                    pipe.lrem(DEAD, 1, note)
                pipe.execute()


def run_again(row: FailedTask) -> None:
    """Publish a new message with the old arguments. Raises one of `UNAVAILABLE` if Redis does not
    take it, and `Refused` if the task takes others now, or its queue has gone."""
    if not row.args:
        raise Refused("its message could not be read.")
    current_app.loader.import_default_modules()  # the task's own options
    task = current_app.signature(row.task, json.loads(row.args), json.loads(row.kwargs))
    queue = {"queue": row.queue} if row.queue in current_app.amqp.queues else {}
    try:
        task.apply_async(headers={AGAIN: row.pk}, **queue)
    except (TypeError, QueueNotFound) as error:  # other arguments, or no queue of its own any more
        raise Refused(f"it cannot be published as it was: {error}.") from None


def work() -> dict[str, int]:
    """Count what failed, and what waits in each queue, if Redis answers."""
    waiting = {}
    with suppress(*UNAVAILABLE):
        collect()
        with _redis() as (_, channel):
            for queue in settings.CELERY_TASK_QUEUES:
                waiting[f"waiting in {queue.name}"] = channel._size(queue.name)
    failed = FailedTask.objects.filter(state=FailedTask.State.FAILED).count()
    return {"failed": failed} | waiting


def _note(task: str, task_id: str, delivery: dict | None, error: str) -> dict[str, Any]:
    queue = (delivery or {}).get("routing_key", "")
    note = {"task": task, "id": task_id, "queue": queue, "error": error, "at": time.time()}
    return note | {"args": "", "kwargs": ""}


def _leave(note: dict) -> None:
    def leave() -> None:
        with _redis() as (redis, _):
            redis.rpush(DEAD, json.dumps(note))

    if current_process()._name == "MainProcess" and current_thread() is main_thread():
        # A worker's main loop must not wait for a Redis that is slow.
        Thread(target=leave, daemon=True).start()
    else:
        leave()


def _record(note: dict | list, channel: Any) -> None:
    if isinstance(note, list):  # the message itself, from a worker of an earlier version
        note = note_of(channel.Message(note[0], channel=channel), DIED)
    at = datetime.fromtimestamp(note["at"], UTC)
    if "succeeded" in note:
        again = FailedTask.objects.filter(pk=note["succeeded"], last_failed_at__lte=at)
        again.update(state=FailedTask.State.SUCCEEDED)
        return
    # A database takes neither zeros nor halves of characters.
    texts = {
        name: note[name].replace("\0", "").encode(errors="replace").decode()
        for name in ("task", "id", "args", "kwargs", "queue", "error")
    }
    last = {
        "task": texts["task"][:255],
        "args": texts["args"],
        "kwargs": texts["kwargs"],
        "queue": texts["queue"][:255],
        "error": without_passwords(texts["error"])[:500],
        "last_failed_at": at,
        "last_id": texts["id"][:255],
        "state": FailedTask.State.FAILED,
    }
    what = [last["task"], last["args"] or last["last_id"], last["kwargs"]]
    key = hashlib.sha256("\n".join(what).encode()).hexdigest()
    rows = FailedTask.objects.filter(key=key)
    if not rows.exclude(last_id=last["last_id"]).update(times=F("times") + 1, **last):
        rows.get_or_create(key=key, defaults=last | {"first_failed_at": at})


@contextmanager
def _redis() -> Iterator[tuple[Any, Any]]:
    with current_app.pool.acquire(block=True, timeout=5) as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as redis:
            yield redis, channel
