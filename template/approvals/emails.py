"""The reminder; its reference is the request's key."""

from outbox.models import Email

from .models import ApprovalRequest

REMINDER = "approval"


def reminder(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    request = ApprovalRequest.objects.select_related("requester").get(pk=email.reference)
    return (
        f"Waiting for a decision: {request}",
        f"Hi {email.user.name},\n\n{request.requester.name} asked for: {request}.\n"
        "Nobody has decided yet.\n",
    )
