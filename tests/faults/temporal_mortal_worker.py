"""A worker that is killed right after the effect of one activity: of an order, or `send_email`.

python temporal_mortal_worker.py charge, with the project's folder in PYTHONPATH
"""

import asyncio
import os
import signal
import sys
import typing
from datetime import timedelta

import django

django.setup()

from temporalio import activity  # noqa: E402

from orders import activities  # noqa: E402
from workflows import database, declarations, emails, worker_process  # noqa: E402

emails.TIMEOUTS["heartbeat_timeout"] = timedelta(seconds=2)
database.BEAT = 0.5
name = sys.argv[1]
real = emails.send_email if name == "send_email" else getattr(activities, name)


def die(input) -> None:
    real(input)
    os.kill(os.getpid(), signal.SIGKILL)


die.__annotations__["input"] = next(iter(typing.get_type_hints(real).values()))
work = declarations.declared().with_fakes(activity.defn(name=name)(die))
worker_process.declared = lambda: work
asyncio.run(worker_process.run())
