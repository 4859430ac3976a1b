"""A worker that is killed right after the effect of one activity of an order.

python -m workflows.tests.mortal_worker charge
"""

import asyncio
import os
import signal
import sys

import django

django.setup()

from temporalio import activity  # noqa: E402

from workflows import worker, worker_process  # noqa: E402
from workflows.orders import activities  # noqa: E402

name = sys.argv[1]


@activity.defn(name=name)
def die(step: activities.Step) -> None:
    getattr(activities, name)(step)
    os.kill(os.getpid(), signal.SIGKILL)


worker.ACTIVITIES = [entry for entry in worker.ACTIVITIES if entry.__name__ != name] + [die]
asyncio.run(worker_process.run())
