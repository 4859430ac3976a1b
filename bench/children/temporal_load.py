"""A Temporal worker (`slipway`, `sdk`), or what starts its workflows (`load SINGLES FLOOD`)."""

import asyncio
import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError
from temporalio.worker import Worker

QUEUE = "shop-tasks"
IN_FLIGHT = 50


@activity.defn
def nothing() -> None:
    """Do nothing."""


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=60))


async def client() -> Client:
    """Connect, once the namespace is there."""
    end = time.monotonic() + 30
    while True:
        try:
            connected = await Client.connect(f"127.0.0.1:{os.environ['TEMPORAL_PORT']}")
            await connected.count_workflows()
            return connected
        except (RPCError, RuntimeError, TemporalError):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


async def work(kind: str) -> None:
    connected = await client()
    if kind == "slipway":
        sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "template"))
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        import django

        django.setup()
        from workflows.declarations import Declared, declared
        from workflows.worker import create_workers

        real = declared()
        both = Declared(
            [*real.workflows, OneActivity], [*real.activities, nothing], real.mail_activities
        )
        workers = create_workers(connected, both)
    else:
        threads = ThreadPoolExecutor(100)  # as many as the SDK runs activities at a time
        described = {"workflows": [OneActivity], "activities": [nothing]}
        workers = [
            Worker(connected, task_queue=QUEUE, activity_executor=threads, **described)
        ]
    print("ready", flush=True)
    await asyncio.gather(*(worker.run() for worker in workers))


async def load(singles: int, flood: int) -> None:
    connected = await client()
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(name: str) -> float:
        async with slots:
            start = time.perf_counter()
            await connected.execute_workflow(OneActivity.run, id=name, task_queue=QUEUE)
            return time.perf_counter() - start

    for number in range(3):
        await one(f"warm-up-{number}")
    alone = [await one(f"single-{number}") for number in range(singles)]
    start = time.perf_counter()
    together = await asyncio.gather(*(one(f"flood-{number}") for number in range(flood)))
    seconds = time.perf_counter() - start
    p95 = statistics.quantiles(together, n=20)[-1]
    figures = {"one at a time, ms": statistics.median(alone) * 1000}
    print(json.dumps(figures | {"workflows/s": flood / seconds, "p95, s": p95}))


if __name__ == "__main__":
    sizes = map(int, sys.argv[2:])
    asyncio.run(load(*sizes) if sys.argv[1] == "load" else work(sys.argv[1]))
