"""What an approval does to the database. Each step may run more than once."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from temporalio import activity
from temporalio.exceptions import ApplicationError

from accounts.models import User

from .models import ApprovalRequest, Decision, Reason


@dataclass
class DecisionInput:
    """What somebody decided. ``approver_id`` is who is logged in, never what a form says."""

    request_id: int
    approver_id: int
    approved: bool
    reason_id: int = 0  # of a `Reason`


def may_approve(user: User | AnonymousUser) -> bool:
    """Whether somebody decides on what others ask for: staff with the permission."""
    return user.is_staff and user.has_perm("approvals.add_decision")


# A cancellation must not interrupt these between two statements, hence no_thread_cancel_exception.


@activity.defn(no_thread_cancel_exception=True)
def record_decision(input: DecisionInput) -> str:
    """Record the decision, unless there is one, and return what holds now.

    Fails for good if the approver may not decide: whoever can reach Temporal could ask for this.
    """
    approver = User.objects.filter(pk=input.approver_id).first()
    with transaction.atomic():
        # The lock is for databases that have one; SQLite lets only one write at a time anyway.
        request = ApprovalRequest.objects.select_for_update().get(pk=input.request_id)
        if not approver or not may_approve(approver) or approver == request.requester:
            raise ApplicationError(
                f"User {input.approver_id} may not decide on request {request.pk}.",
                type="NotAllowed",
                non_retryable=True,
            )
        reason = Reason.objects.filter(pk=input.reason_id, request=request, author=approver).first()
        if not input.approved and not reason:
            raise ApplicationError("A rejection needs a reason.", type="ReasonMissing")
        if request.state == ApprovalRequest.State.WAITING:
            Decision.objects.create(
                request=request,
                decided_by=approver,
                approved=input.approved,
                reason=reason.text if reason else "",
            )
            states = ApprovalRequest.State
            request.state = states.APPROVED if input.approved else states.REJECTED
            request.save(update_fields=["state"])
    return request.state


@activity.defn(no_thread_cancel_exception=True)
def expire_request(request_id: int) -> str:
    """Close the request, unless it is decided, and return what holds now."""
    return close(request_id, ApprovalRequest.State.EXPIRED)


@activity.defn(no_thread_cancel_exception=True)
def call_off_request(request_id: int) -> str:
    """The same because its workflow was cancelled."""
    return close(request_id, ApprovalRequest.State.CANCELLED)


def close(request_id: int, state: ApprovalRequest.State) -> str:
    """Give the request this state if it waits, and return its state."""
    waiting = ApprovalRequest.objects.filter(pk=request_id, state=ApprovalRequest.State.WAITING)
    waiting.update(state=state)
    return ApprovalRequest.objects.get(pk=request_id).state
