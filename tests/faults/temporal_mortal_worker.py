"""A worker that is killed right after the effect of one activity of an order.

python temporal_mortal_worker.py charge, with the project's folder in PYTHONPATH
"""

import asyncio
import os
import signal
import sys

import django

django.setup()

from temporalio import activity  # noqa: E402

from orders import activities  # noqa: E402
from workflows import declarations, worker_process  # noqa: E402

name = sys.argv[1]


@activity.defn(name=name)
def die(step: activities.Step) -> None:
    getattr(activities, name)(step)
    os.kill(os.getpid(), signal.SIGKILL)


work = declarations.declared().with_fakes(die)
worker_process.declared = lambda: work
asyncio.run(worker_process.run())
