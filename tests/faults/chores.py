"""Tasks for the tests' workers: `python -m tasks worker -I chores`.

With it, a worker is also in more of a hurry than usual.
"""

import os
import signal
import time
from pathlib import Path

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.apps import apps
from django.conf import settings

from outbox.models import Email
from tasks import recovery, worker

recovery.LEASE, recovery.DOUBT, recovery.RENEWAL = 4, 1, 0.5
recovery.LEASE = int(os.environ.get("LEASE", recovery.LEASE))
recovery.DEATHS = int(os.environ.get("DEATHS", recovery.DEATHS))
worker.GRACE = 2
settings.EMAIL_TIMEOUT = 1

# Kinds of e-mail that an app of one's own may declare.
config = apps.get_app_config("tasks")
config.emails, config.bulk_emails = {"invoice": "chores.letter"}, {"newsletter": "chores.letter"}


def letter(email: Email) -> tuple[str, str]:
    """Return the subject and the text of either kind."""
    return f"{email.kind} {email.reference}", ""


@shared_task
def note(file: str, word: str = "noted") -> None:
    """Append a word to the file."""
    with Path(file).open("a") as notes:
        notes.write(f"{word}\n")


@shared_task(max_retries=3, default_retry_delay=0.1)
def rest(file: str, seconds: float) -> None:
    """Note the start in the file, and its end after some seconds in which this process runs."""
    with Path(file).open("a", buffering=1) as notes:
        notes.write("begun\n")
        for _ in range(20):  # one sleep would be over after a long SIGSTOP
            time.sleep(seconds / 20)
        notes.write("done\n")


@shared_task(max_retries=1, default_retry_delay=0.1)
def die(file: str) -> None:
    """Note the start in the file, and kill this process."""
    with Path(file).open("a", buffering=1) as notes:
        notes.write("begun\n")
        # Not in the instant in which a message that Redis has just handed out is lost.
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)


@shared_task(soft_time_limit=1, time_limit=2)
def ignore_the_limit(file: str) -> None:
    """Note the soft time limit in the file, and go on."""
    with Path(file).open("a", buffering=1) as notes:
        try:
            time.sleep(60)
        except SoftTimeLimitExceeded:
            notes.write("warned\n")
        time.sleep(60)
        notes.write("done\n")


@shared_task
def fail_until(file: str) -> None:
    """Fail until the file is there, with what must not be seen in the error."""
    if not Path(file).exists():
        raise FileNotFoundError("redis://:secret@host")
