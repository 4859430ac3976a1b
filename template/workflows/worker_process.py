"""The process of a worker: how it waits for Temporal, shows that it lives, and stops.

`python manage.py run_temporal_worker` runs it. Any number of them share the work.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from typing import NoReturn

from django.conf import settings
from django.core.management import CommandError
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Worker

from config import heartbeat

from . import schedules
from .connection import REFUSED, why_unreachable
from .declarations import declared
from .worker import DRAIN, create_workers

# Seconds for one attempt to reach the server.
CONNECT_TIMEOUT = 5.0

logger = logging.getLogger(__name__)


async def run() -> None:
    """Wait for Temporal, work until SIGTERM or SIGINT, let running activities end, and return.

    A second signal, a second or more after the first, ends the process at once. Raises
    `CommandError` if the server refuses this client, `ImproperlyConfigured` if an app declares what
    cannot be used, and what makes a worker fail.
    """
    work = declared()
    schedules.declared()
    # The SDK's log, without a line for each poll that does not reach the server: `_beat` says so.
    sdk = LogForwardingConfig(logging.getLogger("temporalio.core"))
    log = LoggingConfig("warn,temporalio_client::retry=error", forwarding=sdk)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=log)))
    stop = asyncio.Event()
    _stop_on_signals(stop)
    until_stop = asyncio.ensure_future(stop.wait())

    starting = asyncio.ensure_future(_start())
    await asyncio.wait([starting, until_stop], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return
    client = starting.result()

    workers = create_workers(client, work)
    running = [asyncio.ensure_future(worker.run()) for worker in workers]
    beating = asyncio.ensure_future(_beat(client))
    logger.info("Working on %s. It stops within %d s.", settings.TEMPORAL_TASK_QUEUE, DRAIN.seconds)
    try:
        await asyncio.wait([until_stop, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        beating.cancel()
        heartbeat.remove()
    # Raises what made one fail.
    ended = [worker.result() for worker in running if worker.done()]
    if not ended:
        await _drain(workers)


async def _start() -> Client:
    client = await connect()
    for change in await schedules.sync(client):
        logger.info("Schedule %s", change)
    return client


async def connect() -> Client:
    """Connect to the server, and wait for one that is not there yet; but not if it refuses us."""
    options = settings.TEMPORAL_API_OPTIONS
    where = f"{options['target_host']} (namespace {options['namespace']})"
    reported = -60.0
    while True:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                client = await Client.connect(**options)
                await client.workflow_service.describe_namespace(
                    DescribeNamespaceRequest(namespace=client.namespace)
                )
                return client
        except RPCError as error:
            reason = str(error)  # for example, that there is no such namespace yet
        except TimeoutError:
            reason = f"no answer within {CONNECT_TIMEOUT:.0f} s"
        except RuntimeError as error:
            reason = why_unreachable(error)
            if reason.endswith(REFUSED):
                raise CommandError(f"Temporal at {where} refuses this client: {reason}") from None
        if time.monotonic() - reported >= 60:
            logger.warning("Waiting for Temporal at %s: %s", where, reason)
            reported = time.monotonic()
        await asyncio.sleep(0.5)


async def _beat(client: Client) -> None:
    """Touch the heartbeat while the server sees this worker's polls."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=settings.TEMPORAL_TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    polling = None
    while True:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                answer = await client.workflow_service.describe_task_queue(request)
        except (RPCError, TimeoutError) as error:
            if polling:
                logger.warning("Temporal does not answer: %s", error or "time-out")
            polling = False
        else:
            seen = any(poller.identity == client.identity for poller in answer.pollers)
            if seen and polling is False:
                logger.info("Temporal answers again.")
            polling = seen or polling
            if seen:
                heartbeat.beat()
        await asyncio.sleep(heartbeat.INTERVAL if polling else 0.2)


async def _drain(workers: list[Worker]) -> None:
    stopping = [asyncio.ensure_future(worker.shutdown()) for worker in workers]
    _, busy = await asyncio.wait(stopping, timeout=DRAIN.seconds + 1)
    if busy:
        # A thread cannot be stopped, and Python would wait for it at exit.
        logger.warning(
            "Some activities did not end within %d s. After their time-out they run again.",
            DRAIN.seconds,
        )
        leave(0)


def _stop_on_signals(stop: asyncio.Event) -> None:
    first = 0.0

    def on_signal(number: int) -> None:
        nonlocal first
        if not stop.is_set():
            first = time.monotonic()
            logger.info("Stopping; a second signal does not wait for running activities.")
            stop.set()
        elif time.monotonic() - first >= 1:
            # Not the same Ctrl-C again, by way of a process manager.
            logger.warning("Stopped without waiting for running activities.")
            leave(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)


def leave(code: int) -> NoReturn:
    """End the process at once.

    Not by way of Python's own end: it waits for threads that hang, and the SDK's threads, which
    it does not know, may crash it meanwhile.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
