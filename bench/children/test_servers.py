"""Times the servers of the tests: those of the project's fixtures, or the SDK's."""

import asyncio
import json
import os
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

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


async def sdk(starting: Coroutine[Any, Any, WorkflowEnvironment]) -> None:
    async with await starting as environment:
        await work(environment.client)


def test_servers(request) -> None:
    skips, serves = map(fixtures.program, ("temporal-test-server", "temporal"))
    skipping, local = WorkflowEnvironment.start_time_skipping, WorkflowEnvironment.start_local
    bare = {
        "temporal": lambda: skipping(test_server_existing_path=skips),
        "real_temporal": lambda: local(dev_server_existing_path=serves),
    }
    seconds = []
    for fixture, start_bare in bare.items():
        start = time.perf_counter()
        if os.environ["KIND"] == "sdk":
            asyncio.run(sdk(start_bare()))
        else:
            server = request.getfixturevalue(fixture)
            server.run(work(server.client), timeout=120)
            server.run(server.environment.shutdown())
        seconds.append(time.perf_counter() - start)
    found = dict(zip(("time-skipping, s", "dev server, s"), seconds, strict=True))
    Path(os.environ["RESULTS"]).write_text(json.dumps(found))
