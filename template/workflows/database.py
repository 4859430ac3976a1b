"""How activities run: with connections that work, signs of life, and errors that tell no names."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from temporalio import activity, exceptions, worker

from config.error_reports import without_passwords

from .emails import mail_queue

# Seconds between two signs of life.
BEAT = 15

logger = logging.getLogger(__name__)


class ActivityRuns(worker.Interceptor):
    """Lets each activity start and end as a request does: with connections that work.

    Without that, every retry would meet the same dead one after a restart of the database. While an
    activity waits for the mail server, the worker says that it lives.

    What it fails with is logged: as an error at the 3rd, 10th, 30th, 100th, … attempt, for most
    recover before. Histories get no more than its type, as its text may hold an address or what
    somebody wrote, unless it was written for them: one of the SDK's own errors.
    """

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> "_Inbound":
        return _Inbound(next)


class _Inbound(worker.ActivityInboundInterceptor):
    def init(self, outbound: worker.ActivityOutboundInterceptor) -> None:
        self.outbound = outbound
        super().init(outbound)

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        if not inspect.iscoroutinefunction(input.fn):
            # In the thread of the pool: connections belong to threads.
            input.fn = _fresh_connections()(input.fn)
        beating = asyncio.create_task(self._beat())
        try:
            return await self.next.execute_activity(input)
        except exceptions.CancelledError:
            raise
        except Exception as error:
            _log(error)
            if isinstance(error, exceptions.FailureError):
                raise
            raise exceptions.ApplicationError(
                "The worker's log says more.", type=type(error).__name__
            ) from None
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        while activity.info().task_queue == mail_queue(settings.TEMPORAL_TASK_QUEUE):
            self.outbound.heartbeat()  # `activity.heartbeat` is for the activity's thread
            await asyncio.sleep(BEAT)


def _log(error: Exception) -> None:
    if getattr(error, "category", None) is exceptions.ApplicationErrorCategory.BENIGN:
        return  # it was expected
    info = activity.info()
    keeps_failing = info.attempt > 2 and str(info.attempt).strip("0") in ("1", "3")
    in_full = info.attempt == 1 or keeps_failing
    logger.log(
        logging.ERROR if keeps_failing else logging.WARNING,
        "%s of %s failed, attempt %d: %s",
        info.activity_type,
        info.workflow_id,
        info.attempt,
        without_passwords(f"{type(error).__name__}: {error}"),
        exc_info=in_full and not isinstance(error, exceptions.FailureError),
    )


@contextlib.contextmanager
def _fresh_connections() -> Iterator[None]:
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
