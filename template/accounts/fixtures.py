"""Users, for the tests of any app."""

import pytest

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from outbox.promises import promise


@pytest.fixture
def user(db: None) -> User:
    """Somebody who has signed up; the e-mails are promised and due, nothing is started yet."""
    user = User.objects.create_user("ada@example.com", "difference-engine", name="Ada")
    promise([user.pk], WELCOME)
    promise([user.pk], FOLLOW_UP)
    return user


@pytest.fixture
def staff(db: None) -> User:
    """Somebody who may use the admin."""
    return User.objects.create_user("grace@example.com", name="Grace", is_staff=True)
