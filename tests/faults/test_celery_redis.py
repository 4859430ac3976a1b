"""Redis in production: several projects on one, a password, and TLS."""

import re
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from celery_processes import add_chores
from certificates import Authority
from chores import note, rest
from django.conf import settings
from kombu.exceptions import OperationalError

from config.celery import app, check_redis
from tasks import failures
from tasks.fixtures import (
    CeleryCommand,
    Process,
    RedisServer,
    free_port,
    redis_program,
    wait_until,
)
from tasks.models import FailedTask

PASSWORD = "p@ss/w:rd #?%&é"


@pytest.fixture
def prefix(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this process put this before all keys of Redis, as the variable does."""

    def use(prefix: str) -> None:
        for name in ("broker_transport_options", "result_backend_transport_options"):
            monkeypatch.setitem(app.conf, name, app.conf[name] | {"global_keyprefix": prefix})

    return use


def test_two_projects_on_one_redis_share_nothing(
    celery: CeleryCommand, redis_server: RedisServer, prefix, notes, tmp_path
):
    add_chores(celery).env["DEATHS"] = "1"
    blog = celery.worker("-n", "blog@%h", CELERY_KEY_PREFIX="blog:")
    shop = celery.worker("-n", "shop@%h", CELERY_KEY_PREFIX="shop:")
    prefix("shop:")
    assert note.apply_async([str(notes)], ignore_result=False).get(timeout=10) is None
    rest.delay(str(notes), 60)
    wait_until(lambda: "begun" in notes.read_text(), "the task's start")
    shop.end()

    heir = celery.worker("-n", "heir@%h", CELERY_KEY_PREFIX="shop:")
    heir.wait_for("1 workers died while they ran chores.rest[")
    assert "A worker died: 1 of its tasks" in heir.output
    assert all(key.startswith((b"blog:", b"shop:")) for key in redis_server.client.scan_iter())
    # In a thread of the site, which has loaded nothing of a worker's.
    celery.env["CELERY_KEY_PREFIX"] = "shop:"
    code = "from threading import Thread; from tasks.failures import collect"
    assert web(celery, f"{code}; Thread(target=collect).start()") == ""
    failures.run_again(FailedTask.objects.get(task="chores.rest"))
    wait_until(lambda: notes.read_text().count("begun") == 2, "the task's second start")
    assert "died" not in blog.output
    assert "received" not in blog.output
    assert not redis_server.client.exists("shop:dead-tasks")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def tls_redis(tmp_path: Path, authority: Authority) -> Iterator[str]:
    """The address of a Redis with TLS and a password. Its certificate is for localhost."""
    port, (certificate, key) = free_port(), authority.sign("localhost")
    command = [redis_program(), "--bind", "127.0.0.1", "--port", "0", "--tls-port", str(port)]
    command += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    command += ["--tls-auth-clients", "no", "--requirepass", PASSWORD]
    command += ["--save", "", "--dir", str(tmp_path)]
    server = Process(command, tmp_path / "redis.log")
    server.wait_for("Ready to accept connections")
    yield f"rediss://:{quote(PASSWORD, safe='')}@localhost:{port}/1"
    server.end()


@pytest.fixture
def project(transactional_db, tmp_path: Path) -> Iterator[CeleryCommand]:
    """Celery's processes, with variables as in production; the test sets CELERY_BROKER_URL."""
    celery = add_chores(CeleryCommand(tmp_path, ""))
    celery.env["CELERY_KEY_PREFIX"] = "shop:"
    yield celery
    for process in celery.processes:
        process.end()


def web(project: CeleryCommand, code: str) -> str:
    """What this code prints in a process of the site."""
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", code]
    run = subprocess.run(
        command, cwd=settings.BASE_DIR, env=project.env, capture_output=True, text=True
    )
    return run.stdout + run.stderr


# What `/health/` asks.
CHECK = "from config.celery import check_redis; check_redis()"


def wait_for_flower(celery: CeleryCommand, shown: str) -> None:
    """Start Flower, and wait until its page of the queues shows this."""
    port = free_port()
    celery("flower", FLOWER_PORT=str(port))

    def page() -> str:
        with suppress(OSError):
            address = f"http://127.0.0.1:{port}/broker"
            return urllib.request.urlopen(address, timeout=10).read().decode()
        return ""

    wait_until(lambda: re.search(shown, page()), f"{shown} in Flower")


def test_a_redis_of_a_private_authority(tls_redis, authority, project, notes):
    project.env["CELERY_BROKER_URL"] = f"{tls_redis}?ssl_ca_certs={authority.file}"
    task = f"note.apply_async([{str(notes)!r}], ignore_result=False"
    assert web(project, f"from chores import note; {task}, queue='bulk')") == ""
    wait_for_flower(project, r"<td>bulk</td>\s*<td[^>]*>1</td>")
    worker = project.worker()
    code = f"from chores import note; print({task}).get(timeout=20)); {CHECK}"
    assert web(project, code) == "None\n"
    wait_until(lambda: notes.read_text().count("noted") == 2, "the first task")
    assert "insecure" not in worker.output


@pytest.fixture
def eavesdropper() -> Iterator[Callable[[ssl.SSLContext], tuple[int, bytearray]]]:
    """Starts a server with this certificate; returns its port, and whatever it is told."""
    listener = socket.create_server(("127.0.0.1", 0))
    told = bytearray()

    def listen(context: ssl.SSLContext) -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(caller, server_side=True) as caller:
                    told.extend(caller.recv(1000))

    def start(context: ssl.SSLContext) -> tuple[int, bytearray]:
        threading.Thread(target=listen, args=[context], daemon=True).start()
        return listener.getsockname()[1], told

    yield start
    listener.close()


def test_a_redis_that_is_none_of_ours_gets_no_password(eavesdropper, authority, project):
    port, told = eavesdropper(authority.server("localhost"))
    project.env["CELERY_BROKER_URL"] = f"rediss://:secret@localhost:{port}/1"
    worker = project("worker", *project.worker_options)
    reason = "certificate verify failed: unable to get local issuer certificate"
    assert reason in web(project, CHECK).splitlines()[-1]
    assert reason in web(project, "from chores import note; note.delay('')").splitlines()[-1]
    worker.wait_for(reason)
    assert f"Cannot connect to rediss://:**@localhost:{port}/1" in worker.output
    wait_for_flower(project, "No queue data")
    assert told == b""


def test_nor_does_one_for_another_host(eavesdropper, authority, broker):
    port, told = eavesdropper(authority.server("redis.example.com"))
    broker(f"rediss://:secret@localhost:{port}/1?ssl_ca_certs={authority.file}")
    for ask in (check_redis, lambda: note.delay("")):
        with pytest.raises(OperationalError, match="Hostname mismatch"):
            ask()
    assert told == b""
