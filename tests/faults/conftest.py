"""Fixtures for the tests of faults: those of each app of the template, and this folder's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sentry_sdk
from otlp_receiver import Receiver

HERE = Path(__file__).parent
TEMPLATE = HERE.parent.parent / "template"

pytest_plugins = [
    "fault_table",
    *(f"{file.parent.name}.fixtures" for file in TEMPLATE.glob("*/fixtures.py")),
    # `celery_processes.py` and the like: what only these tests need of a part.
    *(file.stem for file in HERE.glob("*_processes.py")),
]


@pytest.fixture
def sentry(settings) -> Iterator[Receiver]:
    """Sentry, to which this process sends its errors."""
    from telemetry import sentry

    receiver = Receiver()
    settings.SENTRY_DSN = receiver.sentry_dsn
    sentry.set_up()
    yield receiver
    sentry_sdk.init(auto_enabling_integrations=False)
    receiver.close()
