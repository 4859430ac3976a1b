"""`python -m tasks worker …`, or `beat`: what `celery -A config` does with these, in 12 MiB less.

The `celery` command loads whatever it might be asked for, Flower and a shell among it.
"""

import os

import click
from celery import maybe_patch_concurrency

from config import heartbeat

# Asking other workers what was revoked costs a second at each start, and gossip may end a worker
# with threads when Redis restarts.
ALONE = {"without_mingle": True, "without_gossip": True, "heartbeat_interval": heartbeat.INTERVAL}
INFO = {"loglevel": "INFO"}

if __name__ == "__main__":
    maybe_patch_concurrency()  # --pool gevent
    os.environ["APP"] = "config"  # for --detach, which starts Celery's own command

    from celery.bin import base, beat, worker

    from config.celery import app

    click.Group(commands={"worker": worker.worker, "beat": beat.beat}).main(
        prog_name="python -m tasks",
        obj=base.CLIContext(app, no_color=False, workdir=None),
        default_map={"worker": ALONE | INFO, "beat": INFO},
        auto_envvar_prefix="CELERY",
    )
