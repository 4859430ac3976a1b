"""The step of an approval that waits for the mail server."""

from temporalio import activity

from accounts.models import User
from outbox.promises import promise
from workflows.emails import EmailInput, deliver_emails

from .activities import may_approve
from .emails import REMINDER
from .models import ApprovalRequest


@activity.defn(no_thread_cancel_exception=True)
def remind_approvers(request_id: int) -> None:
    """Write to everybody who may decide. The outbox keeps what cannot be sent now."""
    request = ApprovalRequest.objects.get(pk=request_id)
    staff = User.objects.filter(is_staff=True, is_active=True).exclude(pk=request.requester_id)
    approver_ids = [user.pk for user in staff if may_approve(user)]
    promise(approver_ids, REMINDER, reference=str(request.pk))
    deliver_emails([EmailInput(approver, REMINDER, str(request.pk)) for approver in approver_ids])
