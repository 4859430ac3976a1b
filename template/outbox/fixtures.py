"""Mail servers that do not work, for the tests of any app."""

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings


@pytest.fixture
def mail_server_down(settings: Settings) -> Callable[[], None]:
    """The mail server is down, until this is called."""
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "outbox.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    return lambda: setattr(settings, "EMAIL_BACKEND", working)
