"""What a worker runs, and with which threads. `worker_process.py` starts and stops it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.conf import settings
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig

from . import queues
from .approvals.activities import expire_request, record_decision, remind_approvers
from .approvals.workflow import ApprovalWorkflow
from .database import FreshConnections
from .emails import send_email
from .exports.activities import export_users
from .exports.workflow import ExportWorkflow
from .onboarding.activities import process_user
from .onboarding.workflow import UserOnboardingWorkflow
from .orders import activities as orders
from .orders.workflow import OrderWorkflow
from .sweep.activities import deliver_emails, find_overdue_emails, start_missing_workflows
from .sweep.workflow import SweepWorkflow

WORKFLOWS = [
    UserOnboardingWorkflow,
    OrderWorkflow,
    ApprovalWorkflow,
    ExportWorkflow,
    SweepWorkflow,
]
ACTIVITIES: list[Callable] = [
    process_user,
    orders.reserve_stock,
    orders.release_stock,
    orders.charge,
    orders.refund,
    orders.ship,
    orders.recall_shipment,
    orders.cancel_order,
    record_decision,
    expire_request,
    export_users,
    start_missing_workflows,
    find_overdue_emails,
]
MAIL_ACTIVITIES: list[Callable] = [send_email, remind_approvers, deliver_emails]

THREADS = 16
"""Activities that run at the same time, and as many more that wait for the mail server."""
DRAIN = timedelta(seconds=20)
"""How long running activities may go on once the worker is told to stop."""


def create_workers(client: Client) -> list[Worker]:
    """Return a worker for workflows and their activities, and one for e-mails.

    Each has threads of its own, so that a mail server that hangs holds up no other activity.
    """
    task_queue = settings.TEMPORAL_TASK_QUEUE
    return [
        _worker(client, task_queue, workflows=WORKFLOWS, activities=ACTIVITIES),
        _worker(client, queues.mail(task_queue), activities=MAIL_ACTIVITIES),
    ]


def _worker(client: Client, task_queue: str, **registered) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix=task_queue),
        max_concurrent_activities=THREADS,
        # By default five polls wait for work, and under load new work waits for them.
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        interceptors=[FreshConnections()],
        # An activity learns with its heartbeat that it is cancelled.
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        graceful_shutdown_timeout=DRAIN,
        deployment_config=_deployment(),
        **registered,
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
        # PINNED in a workflow's @workflow.defn keeps it on its version, and that version's workers
        # must then stay until it ends.
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
