"""Temporal behind TLS, as in production. The development server has none: a proxy ends it."""

import asyncio
import contextlib
import functools
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from certificates import Authority
from temporal_processes import process_environment, set_current_version, wait_until
from temporalio.service import TLSConfig

from accounts.models import User
from tasks.fixtures import Process
from workflows import client
from workflows.fixtures import Temporal

# What `/health/` asks, again and again as a probe does: on a busy machine the first connection of a
# process may take longer than a check has.
SIGN_UP = """
from accounts.signup import sign_up
from workflows.client import check
while True:
    try:
        check()
        break
    except TimeoutError:
        pass
print('ok')
sign_up('ada@example.com', 'Ada', 'x')
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def behind_tls(real_temporal: Temporal) -> Iterator[Callable[[ssl.SSLContext], str]]:
    """Puts a proxy with this certificate before the server, and returns its address."""
    host, port = real_temporal.client.service_client.config.target_host.split(":")
    servers = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_connection(host, port)
        await asyncio.gather(copy(reader, to_server[1]), copy(to_server[0], writer))

    def start(context: ssl.SSLContext) -> str:
        context.set_alpn_protocols(["h2"])
        server = real_temporal.run(asyncio.start_server(forward, "127.0.0.1", 0, ssl=context))
        servers.append(server)
        return f"localhost:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.get_loop().call_soon_threadsafe(server.close)


@pytest.fixture
def project(real_temporal: Temporal, transactional_db, tmp_path: Path) -> Iterator[Callable]:
    """Starts `manage.py …` with these variables; what it says is in its `output`."""
    processes: list[Process] = []

    def manage(*arguments: str, **variables: str) -> Process:
        environment = process_environment(variables.pop("TEMPORAL_ADDRESS"), tmp_path)
        command = [sys.executable, "manage.py", *arguments]
        log = tmp_path / f"manage-{len(processes)}.log"
        processes.append(Process(command, log, environment | variables))
        return processes[-1]

    yield manage
    for process in processes:
        process.end()


def ca(authority: Authority) -> dict[str, str]:
    return {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.file)}


def certificate(authority: Authority, name: str) -> dict[str, str]:
    """For a client that shows who it is."""
    file, key = authority.sign(name)
    return {"TEMPORAL_TLS_CLIENT_CERT_PATH": str(file), "TEMPORAL_TLS_CLIENT_KEY_PATH": str(key)}


def test_the_site_and_a_worker_show_and_ask_for_certificates(
    behind_tls, authority, project, real_temporal
):
    context = authority.server("localhost")
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    variables = {"TEMPORAL_ADDRESS": behind_tls(context)} | ca(authority)
    shown = certificate(authority, "shop")

    worker = project("run_temporal_worker", **variables, **shown)
    worker.wait_for("Working on ")
    site = project("shell", "-v0", "-c", SIGN_UP, **variables, **shown)
    assert site.wait(30) == 0, site.output
    assert "ok" in site.output
    user = User.objects.get()
    wait_until(lambda: user.emails.exclude(sent_at=None).exists(), "the welcome", timeout=30)
    # Temporal's CLI reads the same variables.
    current = functools.partial(set_current_version, variables.pop("TEMPORAL_ADDRESS"), "shop")
    assert "no Worker Deployment found" in current("--build-id", "abc", **variables, **shown)
    assert "failed connecting" in current("--build-id", "abc", **variables)


def test_a_server_of_another_authority_is_not_asked_for_work(
    behind_tls, authority, project, tmp_path
):
    address = behind_tls(authority.server("localhost"))
    another = ca(Authority(tmp_path / "another"))
    worker = project("run_temporal_worker", TEMPORAL_ADDRESS=address, **another)
    worker.wait_for("Waiting for Temporal at localhost:")
    assert "its certificate is not accepted: " in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("of another authority", "its certificate is not accepted: UnknownIssuer"),
        ("for another host", "its certificate is not accepted: NotValidForName"),
        ("that asks for a certificate", "a client's certificate?"),
    ],
)
def test_the_site_says_why_a_server_is_not_used(
    behind_tls, authority, settings, monkeypatch, server, reason
):
    context = authority.server("other.example" if "host" in server else "localhost")
    if "asks" in server:
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
    trusted = None if "authority" in server else authority.file.read_bytes()
    settings.TEMPORAL_API_OPTIONS = {
        "target_host": behind_tls(context),
        "namespace": "default",
        "tls": TLSConfig(server_root_ca_cert=trusted),
    }
    monkeypatch.setattr(client, "_client", None)
    with pytest.raises(ConnectionError, match=reason):
        client.check()
