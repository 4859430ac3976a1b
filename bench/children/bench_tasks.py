"""What the workers run."""

import time

from celery import shared_task


@shared_task
def nothing() -> None:
    """Do nothing."""


@shared_task
def short() -> None:
    """Take ten milliseconds."""
    time.sleep(0.01)


@shared_task
def wait() -> None:
    """Wait as for another server."""
    time.sleep(0.1)
