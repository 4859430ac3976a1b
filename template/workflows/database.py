"""Database connections of activities."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from django.db import close_old_connections
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor


class FreshConnections(Interceptor):
    """Lets each activity start and end as a request does: with connections that work.

    Without it, a thread of the pool keeps its connection for ever, and after a restart of the
    database every retry would meet the same dead one.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if not inspect.iscoroutinefunction(input.fn):
            input.fn = _with_fresh_connections(input.fn)
        return await self.next.execute_activity(input)


def _with_fresh_connections(activity: Callable) -> Callable:
    @functools.wraps(activity)
    def run(*args: Any) -> Any:
        # In the thread of the pool: connections belong to threads.
        close_old_connections()
        try:
            return activity(*args)
        finally:
            close_old_connections()

    return run
