"""How a worker lives: it shows that it works, and it stops soon without losing a task."""

import gc
import logging
import os
import signal
import threading
from typing import Any

from celery import signals
from celery.app.utils import Settings

from config import heartbeat

# Seconds that a running task gets to finish once the worker is told to stop.
GRACE = 10


@signals.celeryd_init.connect
def be_patient(conf: Settings, **kwargs: object) -> None:
    """Bear a slow Redis. The time-outs in the settings are those of a web request."""
    conf.broker_transport_options = {
        **conf.broker_transport_options,
        "socket_connect_timeout": 5,
        "socket_timeout": 10,
    }
    conf.redis_socket_connect_timeout = 5
    conf.redis_socket_timeout = 10
    conf.result_backend_transport_options |= {"retry_policy": {}}


@signals.worker_init.connect
def share_memory(**kwargs: object) -> None:
    """Let no garbage collection touch what was imported: each pool process would copy it then."""
    gc.collect()
    gc.freeze()


@signals.heartbeat_sent.connect
def show_heartbeat(**kwargs: object) -> None:
    """Every five seconds, as long as the worker is connected to Redis."""
    heartbeat.beat()


@signals.worker_shutdown.connect
def leave(sender: Any, **kwargs: object) -> None:
    """Do not wait at the end for threads whose tasks have been put back."""
    heartbeat.remove()
    if any(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate()):
        logging.shutdown()
        os._exit(sender.exitcode or 0)


@signals.worker_shutting_down.connect
def requeue_long_tasks(how: str, **kwargs: object) -> None:
    """Bound a stop: after SIGTERM alone, Celery waits for running tasks, be it for hours.

    SIGQUIT makes it put those back that still run after `GRACE`.
    """
    if how == "Warm":
        timer = threading.Timer(GRACE, os.kill, (os.getpid(), signal.SIGQUIT))
        timer.daemon = True
        timer.start()
