"""The steps of onboarding that touch the world. Each may run more than once."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import Group
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from accounts import ledger
from accounts.models import User

MEMBERS = "Members"
"""The group of users whose onboarding has begun."""


@dataclass
class EmailInput:
    user_id: int
    kind: str


# A cancellation must not interrupt these between two statements, hence no_thread_cancel_exception.


@activity.defn(no_thread_cancel_exception=True)
def process_user(user_id: int) -> None:
    """Give the user the rights of the members' group, which an admin decides on."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise ApplicationError(
            f"There is no user {user_id}.", type="NoSuchUser", non_retryable=True
        )
    members, _ = Group.objects.get_or_create(name=MEMBERS)
    user.groups.add(members)


@activity.defn(no_thread_cancel_exception=True)
def send_email(input: EmailInput) -> str:
    """Send the promised e-mail of this kind now, unless it is sent already.

    Fails, to be retried when the ledger says, while the mail server is down; fails for good when
    the ledger has given up.
    """
    # The workflow decides when. The row's own time is for the sweep.
    ledger.bring_forward(input.user_id, input.kind)
    delivery = ledger.deliver(input.user_id, input.kind)
    if delivery.state is ledger.State.FAILED:
        raise ApplicationError(
            f"The {input.kind} e-mail to user {input.user_id} was given up, or never promised."
            " The admin shows why.",
            type="EmailFailed",
            non_retryable=True,
        )
    if delivery.state is ledger.State.WAITING:
        raise ApplicationError(
            f"The {input.kind} e-mail to user {input.user_id} could not be sent yet.",
            type="EmailWaiting",
            category=ApplicationErrorCategory.BENIGN,  # expected: no traceback in the log
            next_retry_delay=timedelta(seconds=delivery.retry_in),
        )
    return delivery.state.value
