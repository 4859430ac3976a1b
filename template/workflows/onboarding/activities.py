"""The step of onboarding that is its own."""

from django.contrib.auth.models import Group
from temporalio import activity
from temporalio.exceptions import ApplicationError

from accounts.models import User

# The group of users whose onboarding has begun.
MEMBERS = "Members"


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
