"""Starts the workflow of an approval, and hands it a decision."""

from datetime import datetime

from workflows import client

from .activities import DecisionInput
from .models import ApprovalRequest
from .workflow import ApprovalInput, ApprovalWorkflow


def workflow_id(request_id: int) -> str:
    return f"approval-{request_id}"


def start_approval(request: ApprovalRequest) -> None:
    """Start `ApprovalWorkflow` for the request. A second start changes nothing.

    Call it after the commit. Raises within 0.8 seconds if Temporal does not take it; the sweep
    starts it then.
    """
    client.start_once(
        ApprovalWorkflow.run,
        ApprovalInput(request.pk, request.requester_id),
        id=workflow_id(request.pk),
        summary=f"Approval of request {request.pk}",
    )


def start_missing(since: datetime) -> None:
    """Start what was asked for before ``since`` while Temporal was down."""
    waiting = ApprovalRequest.objects.filter(
        state=ApprovalRequest.State.WAITING, asked_at__lte=since
    )
    for request in waiting[:500]:
        start_approval(request)


def decide(decision: DecisionInput) -> str:
    """Hand the decision to the workflow, and return what holds then.

    Waits for two seconds at most: with no worker, nobody answers. Trying again is safe, because
    the same decision of the same person has the same id. Raises `WorkflowUpdateFailedError` if it
    is refused, and what `client.call` raises.
    """
    answer = "approve" if decision.approved else "reject"
    return client.call(
        lambda temporal: temporal.get_workflow_handle(
            workflow_id(decision.request_id)
        ).execute_update(
            ApprovalWorkflow.decide, decision, id=f"{answer}-by-{decision.approver_id}"
        ),
        timeout=2,
    )
