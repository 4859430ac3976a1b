"""Database connections of activities."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections


class Threads(ThreadPoolExecutor):
    """Lets each activity start and end as a request does: with connections that work.

    Without it, a thread keeps its connection for ever, and after a restart of the database every
    retry would meet the same dead one.
    """

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        return super().submit(_with_fresh_connections, fn, *args, **kwargs)


def _with_fresh_connections(activity: Callable, *args: Any, **kwargs: Any) -> Any:
    close_old_connections()
    try:
        return activity(*args, **kwargs)
    finally:
        close_old_connections()
