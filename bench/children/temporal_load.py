"""A Temporal worker (`slipway`, `sdk`), or what starts its workflows (`load SINGLES FLOOD`)."""

import asyncio
import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bench_workflows import OneActivity, nothing
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

IN_FLIGHT = 50


async def connect() -> Client:
    """Connect, once the namespace is there."""
    while True:
        try:
            client = await Client.connect(f"127.0.0.1:{os.environ['TEMPORAL_PORT']}")
            await client.count_workflows()
            return client
        except (RPCError, RuntimeError):
            await asyncio.sleep(0.1)


def workers(kind: str, client: Client) -> list[Worker]:
    if kind == "sdk":
        described = {"workflows": [OneActivity], "activities": [nothing]}
        # As many as the SDK runs activities at a time.
        threads = ThreadPoolExecutor(100)
        return [Worker(client, task_queue="shop-tasks", activity_executor=threads, **described)]
    sys.path.insert(0, os.getcwd())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    from workflows.declarations import Declared, declared
    from workflows.worker import create_workers

    real = declared()
    both = [*real.workflows, OneActivity], [*real.activities, nothing], real.mail_activities
    return create_workers(client, Declared(*both))


async def work(kind: str) -> None:
    running = [worker.run() for worker in workers(kind, await connect())]
    print("ready", flush=True)
    await asyncio.gather(*running)


async def load(singles: int, flood: int) -> None:
    client, slots = await connect(), asyncio.Semaphore(IN_FLIGHT)

    async def one(name: str) -> float:
        async with slots:
            start = time.perf_counter()
            await client.execute_workflow(OneActivity.run, id=name, task_queue="shop-tasks")
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
    time.sleep(0.1)  # else the SDK may crash an end (sdk-python#300)
