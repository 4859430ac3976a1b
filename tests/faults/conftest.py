"""Fixtures for the tests of faults: those of each app of the template, and this folder's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sentry_sdk
from django.core.management.commands import flush
from django.db import connection, transaction
from otlp_receiver import Receiver

HERE = Path(__file__).parent
TEMPLATE = HERE.parent.parent / "template"

pytest_plugins = [
    "fault_table",
    *(f"{file.parent.name}.fixtures" for file in TEMPLATE.glob("*/fixtures.py")),
    # `celery_processes.py` and the like: what only these tests need of a part.
    *(file.stem for file in HERE.glob("*_processes.py")),
]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    """After each test, what `migrate` has written is there again, as it was.

    Django lets all apps write it anew, which takes half of the time of most tests here.
    """
    quote, written = connection.ops.quote_name, {}
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True):
            cursor.execute(f"SELECT * FROM {quote(table)}")
            written[table] = cursor.fetchall()

    def restore(*args: object, **kwargs: object) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for table, rows in written.items():
                if rows:
                    marks = ", ".join(["%s"] * len(rows[0]))
                    cursor.executemany(f"INSERT INTO {quote(table)} VALUES ({marks})", rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "emit_post_migrate_signal", restore)
        yield


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
