"""Times the servers of the tests: those of the project's fixtures, or the SDK's."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporal_load import OneActivity, nothing
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from workflows import fixtures
from workflows.fixtures import real_temporal, temporal  # noqa: F401

COUNT = int(os.environ["COUNT"])


async def work(client: Client) -> None:
    """Run the workflows."""
    described = {"workflows": [OneActivity], "activities": [nothing]}
    threads = ThreadPoolExecutor()
    async with Worker(client, task_queue="bench", activity_executor=threads, **described):
        for number in range(COUNT):
            await client.execute_workflow(OneActivity.run, id=f"w-{number}", task_queue="bench")


async def sdk(starting) -> None:
    async with await starting as environment:
        await work(environment.client)


def test_servers(request) -> None:
    seconds = {}
    skips, serves = map(fixtures.program, ("temporal-test-server", "temporal"))
    starts = {
        "time-skipping, s": lambda: WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=skips
        ),
        "dev server, s": lambda: WorkflowEnvironment.start_local(dev_server_existing_path=serves),
    }
    for name, fixture in zip(starts, ("temporal", "real_temporal"), strict=True):
        start = time.perf_counter()
        if os.environ["KIND"] == "sdk":
            asyncio.run(sdk(starts[name]()))
        else:
            server = request.getfixturevalue(fixture)
            server.run(work(server.client))
            server.run(server.environment.shutdown())
        seconds[name] = time.perf_counter() - start
    Path(os.environ["RESULTS"]).write_text(json.dumps(seconds))
