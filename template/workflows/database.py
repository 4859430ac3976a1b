"""How each activity runs: with fresh database connections, and errors that tell no names."""

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from django.db import close_old_connections
from temporalio.activity import info
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

logger = logging.getLogger(__name__)


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
        except FailureError:
            raise  # written for the history
        except Exception as error:
            # Its text may hold an address or what somebody wrote, and histories hold no such thing.
            first = info().attempt == 1
            logger.error("%s failed: %s", activity.__name__, error, exc_info=first)
            raise ApplicationError(
                "The worker's log says more.", type=type(error).__name__
            ) from None
        finally:
            close_old_connections()

    return run
