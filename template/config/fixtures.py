"""Fixtures for the tests of any app. A part brings its own in ``fixtures.py`` of its folder."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from pytest_django.fixtures import Settings

from accounts.emails import FOLLOW_UP, WELCOME
from accounts.models import User
from outbox.promises import promise


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """What earlier tests did counts for no limit."""
    cache.clear()


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


@pytest.fixture
def mail_server_down(settings: Settings) -> Callable[[], None]:
    """The mail server is down, until this is called."""
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "outbox.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    return lambda: setattr(settings, "EMAIL_BACKEND", working)
