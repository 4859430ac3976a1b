"""The reminder, a kind of e-mail in the ledger: ``approval:<request id>``."""

from accounts.models import Email

from .models import ApprovalRequest


def kind(request_id: int) -> str:
    return f"approval:{request_id}"


def reminder(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    request = ApprovalRequest.objects.select_related("requester").get(
        pk=email.kind.partition(":")[2]
    )
    return (
        f"Waiting for a decision: {request}",
        f"Hi {email.user.name},\n\n{request.requester.name} asked for: {request}.\n"
        "Nobody has decided yet.\n",
    )
