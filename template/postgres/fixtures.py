"""A PostgreSQL of the tests' own: README.md, "Tests"."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from config.env import text
from postgres import serve

# Ends the server, and removes its data, when this process has gone, even if it was killed.
WATCH = '"$@" < /dev/null & read -r _; kill -INT $!; wait; rm -rf "$0"'


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator:
    """Lead Django to a server of this session's own, unless DATABASE_URL leads to another.

    pytest-django asks for it before the first test that has a database.
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
    _wait_for(port, folder / "passfile", log)
    yield
    server.communicate()


def _wait_for(port: int, passfile: Path, log: Path) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="postgres", passfile=passfile).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > end:
                pytest.fail(f"PostgreSQL does not start: {log.read_text()}")
            time.sleep(0.02)
