"""Flower has no login: who can reach it, with the command as it is documented."""

import contextlib
import http.client
import socket
from pathlib import Path

import pytest
from free_ports import free_port

from tasks.fixtures import CeleryCommand, Process, wait_until

CODESPACE = {"CODESPACE_NAME": "upgraded-tribble"}


def status(port: int, host: str, path: str = "/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse().status
    connection.close()
    return answer


def start(celery: CeleryCommand, **env: str) -> tuple[Process, int]:
    port = free_port()
    flower = celery("flower", FLOWER_PORT=str(port), **env)
    flower.wait_for("Registered tasks")
    wait_until(lambda: status(port, "localhost", "/healthcheck") == 200, "an answer")
    return flower, port


def listening(pid: int) -> set[tuple[str, int]]:
    """The addresses, as in `/proc/net`, and ports that a process listens on."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(link.readlink().name)
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                address, number = fields[1].split(":")
                found.add((address, int(number, 16)))
    return found


@pytest.mark.skipif(not Path("/proc/net").exists(), reason="It looks into /proc.")
def test_it_listens_on_loopback_only(celery: CeleryCommand):
    flower, port = start(celery)
    loopback = socket.inet_aton("127.0.0.1")[::-1].hex().upper()
    assert listening(flower.pid) == {(loopback, port)}
    assert flower.stop() == 0


def test_it_answers_to_its_own_names_only(celery: CeleryCommand):
    """A page of another site may have a name that leads here."""
    flower, port = start(celery, **CODESPACE)
    own = f"upgraded-tribble-{port}.app.github.dev"
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "localhost", own):
        assert status(port, host) == 200, host
    for host in ("evil.example", f"evil.example:{port}", f"{own}.evil.example", "", "a b"):
        for path in ("/", "/tasks", "/metrics", "/healthcheck", "/api/workers", "/static/js/x"):
            assert status(port, host, path) in (400, 403), (host, path)
    assert "Refused a request to 'evil.example': not in FLOWER_ALLOWED_HOSTS" in flower.output


@pytest.mark.parametrize("name", ["FLOWER_ADDRESS", "FLOWER_ALLOWED_HOSTS"])
def test_who_puts_a_login_before_it_can_say_so(celery: CeleryCommand, name: str):
    value = {"FLOWER_ADDRESS": "127.0.0.2", "FLOWER_ALLOWED_HOSTS": "a.example, flower.example"}
    port = free_port()
    flower = celery("flower", FLOWER_PORT=str(port), **{name: value[name]})
    flower.wait_for("Registered tasks")
    if name == "FLOWER_ADDRESS":
        wait_until(lambda: "127.0.0.2" in flower.output, "its address")
    else:
        wait_until(lambda: status(port, "flower.example") == 200, "an answer")
