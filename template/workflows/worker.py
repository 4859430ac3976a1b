"""What a worker runs, and with which threads. `worker_process.py` starts and stops it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.conf import settings
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig

from .database import ActivityRuns
from .declarations import Declared
from .emails import mail_queue

# Activities that run at the same time, and as many more that wait for the mail server.
THREADS = 16
# How long running activities may go on once the worker is told to stop.
DRAIN = timedelta(seconds=20)


def create_workers(client: Client, declared: Declared, **options: Any) -> list[Worker]:
    """Return a worker for workflows and their activities, and one for e-mails.

    Each has threads of its own, so that a mail server that hangs holds up no other activity.
    """
    queue = settings.TEMPORAL_TASK_QUEUE
    work = {"workflows": declared.workflows, "activities": declared.activities}
    mails = {"activities": declared.mail_activities}
    return [
        _worker(client, queue, **work, **options),
        _worker(client, mail_queue(queue), **mails, **options),
    ]


def _worker(client: Client, task_queue: str, **options: Any) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix=task_queue),
        max_concurrent_activities=THREADS,
        # By default five polls wait for work, and under load new work waits for them.
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        interceptors=[ActivityRuns()],
        # An activity learns with its heartbeat that it is cancelled.
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        graceful_shutdown_timeout=DRAIN,
        deployment_config=_deployment(),
        **options,
    )


def _deployment() -> WorkerDeploymentConfig | None:
    """Worker versioning: Temporal gives a new version no work before it is made the current one."""
    if not settings.TEMPORAL_BUILD_ID:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(
            settings.TEMPORAL_DEPLOYMENT_NAME, settings.TEMPORAL_BUILD_ID
        ),
        use_worker_versioning=True,
        # Running workflows go on with the new version, which the recorded histories prove safe.
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
