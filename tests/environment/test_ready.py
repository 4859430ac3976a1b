"""The probes: they say yes soon, no in the end, and nothing for what is not there."""

import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

import ready
from environment.small_project import TEMPLATE

HEARTBEAT = TEMPLATE / "config" / "heartbeat.py"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(ready, "PATIENCE", 0.3)


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Answer every request with *answer*; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield str(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "code"), [(b"HTTP/1.0 200 OK\r\n\r\n", 0), (b"HTTP/1.0 503 No\r\n\r\n200", 1)]
)
def test_http_wants_200(answer, code):
    with server(answer) as port:
        assert ready.main("http", port, "/health/") == code


def test_talk_sends_just_these_bytes():
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(1000))
                connection.sendall(b"R\0")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert ready.main("talk", str(listener.getsockname()[1]), r"\0\3user\0", "R") == 0
        thread.join(5)
    assert heard == [b"\0\3user\0"]


@pytest.mark.parametrize(
    ("answer", "code"), [(b"+PONG\r\n", 0), (b"-LOADING the data\r\n", 1), (b"", 1)]
)
def test_talk_wants_that_answer(answer, code):
    with server(answer) as port:
        assert ready.main("talk", port, r"PING\r\n", "+PONG") == code


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    assert ready.main("http", port, "/") == 1


def test_one_that_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(ready, "TIMEOUT", 0.2)
    monkeypatch.setattr(ready, "PATIENCE", 60)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        start = time.monotonic()
        assert ready.main("http", str(listener.getsockname()[1]), "/") == 1
    assert time.monotonic() - start < 30


class TestHeartbeat:
    """The probe finds and believes what `config/heartbeat.py` of the template writes."""

    @pytest.fixture
    def heartbeat(self, tmp_path, monkeypatch) -> ModuleType:
        monkeypatch.setenv("DATA_DIR", str(tmp_path))
        spec = importlib.util.spec_from_file_location("heartbeat", HEARTBEAT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @pytest.fixture
    def beat(self, heartbeat, tmp_path, monkeypatch) -> Path:
        monkeypatch.setenv("PC_PROC_NAME", "worker-2")
        monkeypatch.setenv("PC_REPLICA_NUM", "2")
        heartbeat.beat()
        assert list((tmp_path / "run").iterdir()) == [tmp_path / "run" / "worker.2"]
        return tmp_path / "run" / "worker.2"

    def test_a_fresh_one_counts(self, beat):
        assert is_beating(beat)

    def test_services_of_older_projects_ask_ready_py(self, beat):
        asked = [sys.executable, "-IS", ready.__file__, "heartbeat", beat]
        assert subprocess.run(asked, timeout=20).returncode == 0

    def test_a_stale_one_does_not(self, beat):
        pid, expires = beat.read_text().split()
        beat.write_text(f"{pid} {int(expires) - 31}\n")
        assert not is_beating(beat)

    def test_one_of_a_process_that_has_gone_does_not(self, beat):
        gone = subprocess.Popen(["true"])
        gone.wait()
        beat.write_text(f"{gone.pid} {beat.read_text().split()[1]}\n")
        assert not is_beating(beat)

    def test_a_removed_one_does_not(self, heartbeat, beat):
        heartbeat.remove()
        heartbeat.remove()
        assert not is_beating(beat)

    def test_one_that_is_written_just_now_is_waited_for(self, beat):
        whole = beat.read_text()
        beat.write_text("")
        threading.Timer(0.5, beat.write_text, [whole]).start()
        assert is_beating(beat)

    def test_that_of_a_successor_is_not_removed(self, heartbeat, beat):
        beat.write_text(f"{os.getppid()} {beat.read_text().split()[1]}\n")
        heartbeat.remove()
        assert is_beating(beat)

    def test_it_waits_for_the_first(self, heartbeat, beat):
        heartbeat.remove()
        threading.Timer(0.5, heartbeat.beat).start()
        start = time.monotonic()
        assert is_beating(beat)
        assert time.monotonic() - start < 1.5


def is_beating(file: Path) -> bool:
    """What the probe says, without a word."""
    probe = ["sh", TEMPLATE / ".slipway/heartbeat.sh", file]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode in (0, 1)
    return done.returncode == 0


@pytest.mark.parametrize(
    "probe",
    [
        f"{sys.executable} -IS {ready.__file__} http 1 /",
        f"sh {TEMPLATE}/.slipway/heartbeat.sh /nonexistent",
    ],
)
def test_it_ends_with_the_stack_that_asked(probe):
    # The shell that starts the probe ends at once, and the probe after it.
    start = time.monotonic()
    with subprocess.Popen(
        ["sh", "-c", f"{probe} & sleep 0.3"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as asked:
        asked.wait(10)
        asked.stdout.read()  # until nobody holds it
    assert time.monotonic() - start < 2
