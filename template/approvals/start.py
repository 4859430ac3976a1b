"""Starts the workflow of an approval, and hands it a decision."""

import logging
from datetime import datetime

from django.utils import timezone

from workflows import client
from workflows.observe import observe

from .activities import DecisionInput, close
from .models import ApprovalRequest
from .workflow import EXPIRE_AFTER, ApprovalInput, ApprovalWorkflow

logger = logging.getLogger(__name__)


def workflow_id(request_id: int) -> str:
    return ApprovalRequest.objects.values_list("workflow_id", flat=True).get(pk=request_id)


def start_approval(request: ApprovalRequest) -> None:
    """Start `ApprovalWorkflow` for the request. A second start changes nothing.

    Call it after the commit. Raises within 0.8 seconds if Temporal does not take it; the sweep
    starts it then.
    """
    client.start_once(
        ApprovalWorkflow.run,
        ApprovalInput(request.pk, request.requester_id),
        id=request.workflow_id,
        summary=f"Approval of request {request.pk}",
    )
    request.started_at = timezone.now()
    request.save(update_fields=["started_at"])


def start_missing(since: datetime) -> None:
    """Start what was asked for before ``since`` while Temporal was down, the oldest first.

    And close what should have expired by then, but has no workflow any more.
    """
    waiting = ApprovalRequest.objects.filter(state=ApprovalRequest.State.WAITING).order_by("pk")
    client.each(waiting.filter(started_at=None, asked_at__lte=since)[:500], start_approval)
    client.each(waiting.filter(started_at__lte=since - EXPIRE_AFTER)[:500], _close_if_ended)


def _close_if_ended(request: ApprovalRequest) -> None:
    seen = observe(request.workflow_id)
    if not seen or seen.status != "running":
        close(request.pk, ApprovalRequest.State.CANCELLED)
        end = seen.status if seen else "lost"
        logger.error("Request %s is closed: its workflow is %s.", request.pk, end)


def decide(decision: DecisionInput) -> str:
    """Hand the decision to the workflow, and return what holds then.

    Waits for two seconds at most: with no worker, nobody answers. Trying again is safe, because
    the same decision of the same person has the same id. Raises `WorkflowUpdateFailedError` if it
    is refused, and what `client.call` raises.
    """
    answer = "approve" if decision.approved else "reject"
    id = workflow_id(decision.request_id)
    return client.call(
        lambda temporal: temporal.get_workflow_handle(id).execute_update(
            ApprovalWorkflow.decide, decision, id=f"{answer}-by-{decision.approver_id}"
        ),
        timeout=2,
    )
