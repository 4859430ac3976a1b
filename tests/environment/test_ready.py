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
        assert ready.main("heartbeat", str(beat)) == 0

    def test_a_stale_one_does_not(self, beat):
        old = time.time() - ready.STALE - 1
        os.utime(beat, (old, old))
        assert ready.main("heartbeat", str(beat)) == 1

    def test_one_of_a_process_that_has_gone_does_not(self, beat):
        gone = subprocess.Popen(["true"])
        gone.wait()
        beat.write_text(str(gone.pid))
        assert ready.main("heartbeat", str(beat)) == 1

    def test_a_removed_one_does_not(self, heartbeat, beat):
        heartbeat.remove()
        heartbeat.remove()
        assert ready.main("heartbeat", str(beat)) == 1

    def test_that_of_a_successor_is_not_removed(self, heartbeat, beat):
        beat.write_text(str(os.getppid()))
        heartbeat.remove()
        assert ready.main("heartbeat", str(beat)) == 0

    def test_it_waits_for_the_first(self, heartbeat, beat, monkeypatch):
        monkeypatch.setattr(ready, "PATIENCE", 10)
        heartbeat.remove()
        threading.Timer(0.5, heartbeat.beat).start()
        start = time.monotonic()
        assert ready.main("heartbeat", str(beat)) == 0
        assert time.monotonic() - start < 1.5


def test_it_ends_with_the_stack_that_asked():
    script = Path(ready.__file__)
    probe = f"{sys.executable} -IS {script} heartbeat /nonexistent"
    # The shell that starts the probe ends at once, and the probe after it.
    start = time.monotonic()
    subprocess.run(["sh", "-c", f"{probe} & sleep 0.3"], stdout=subprocess.PIPE, timeout=10)
    assert time.monotonic() - start < 2
