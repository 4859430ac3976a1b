"""Publishes tasks with a project's own settings: `python publish.py APP TASK COUNT`.

Prints the milliseconds that one takes.
"""

import os
import sys
import time

from celery.app.utils import find_app

sys.path.insert(0, os.getcwd())
app = find_app(sys.argv[1])
app.loader.import_default_modules()
app.set_current()

import bench_tasks  # noqa: E402

task = getattr(bench_tasks, sys.argv[2])
start, count = time.perf_counter(), int(sys.argv[3])
for _ in range(count):
    task.apply_async(queue="celery")
print((time.perf_counter() - start) / count * 1000)
