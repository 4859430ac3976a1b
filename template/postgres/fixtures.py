"""A PostgreSQL of the tests' own: README.md, "Tests"."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db.backends.postgresql.operations import DatabaseOperations

from config.env import text
from postgres import serve

# Ends the server when this process has gone, even if it was killed, and then removes its data.
WATCH = """
trap "" INT
("$@" < /dev/null; rm -rf "$0"; kill $$) &
read -r _
kill -INT 0
wait
"""


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator:
    """Lead Django to a server of this session's own, unless DATABASE_URL leads to another.

    pytest-django asks for this before the first test that has a database.
    """
    if text("DATABASE_URL"):
        yield
        return
    folder = Path(settings.DATA_DIR, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = settings.DATABASES["default"]["PORT"] = probe.getsockname()[1]
    # -F: a power cut may take these data.
    start = [sys.executable, "-IS", serve.__file__, "start", str(folder), str(port), "-F"]
    log = Path(settings.DATA_DIR, "postgres.log")
    with log.open("w") as output:
        server = subprocess.Popen(
            ["sh", "-c", WATCH, str(folder), *start],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    end = time.monotonic() + 60
    while not _answers(port, folder / "passfile"):
        if time.monotonic() > end or server.poll() is not None:
            pytest.fail(f"PostgreSQL does not start: {log.read_text()}")
        time.sleep(0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", empty)
        yield
    server.communicate()


def empty(self: DatabaseOperations, style: Any, tables: list[str], **options: bool) -> list[str]:
    """Return what empties the tables after a test: twenty times as fast as TRUNCATE."""
    if options.get("reset_sequences"):
        return truncate(self, style, tables, **options)
    deletes = [f"DELETE FROM {self.quote_name(table)}" for table in tables]
    return ["SET LOCAL session_replication_role = replica", *deletes]  # in any order


truncate = DatabaseOperations.sql_flush


def _answers(port: int, passfile: Path) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, user="postgres", passfile=passfile).close()
    except psycopg.OperationalError:
        return False
    return True
