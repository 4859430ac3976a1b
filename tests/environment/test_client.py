"""What process-compose answers is read in the shape of every version."""

import json
import runpy
import socket
import threading
from pathlib import Path

import pytest

from environment.small_project import TEMPLATE
from slipway import Problem, client

# What process-compose said, word for word but for its copy of the configuration.
RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def answering(tmp_path, monkeypatch):
    """A function that has a stand-in for process-compose give an answer."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    servers = []

    def answering(answer: object, status: str = "200 OK", times: int = 1) -> str:
        server = socket.socket(socket.AF_UNIX)
        server.bind("answers.sock")
        server.listen()
        servers.append(server)

        def serve() -> None:
            for _ in range(times):
                connection, _ = server.accept()
                with connection:
                    connection.recv(10_000)
                    body = json.dumps(answer)
                    connection.sendall(f"HTTP/1.0 {status}\r\n\r\n{body}".encode())

        threading.Thread(target=serve, daemon=True).start()
        return "answers.sock"

    yield answering
    for server in servers:
        server.close()


@pytest.mark.parametrize("version", ["1.87.0", "1.120.0"])
class TestRecordedAnswers:
    """The shape of `/process/info` changed with 1.110."""

    def answer(self, version: str, path: str) -> dict:
        return json.loads((RECORDED / f"process-compose-{version}.json").read_text())[path]

    @pytest.mark.parametrize(("name", "more"), [("worker", {"x-scalable": True}), ("store", {})])
    def test_how_a_process_is_declared(self, version, name, more, answering):
        socket_path = answering(self.answer(version, f"/process/info/{name}"))
        assert client.declaration(name, socket_path) == ("exec sleep 1000", more)

    def test_what_runs(self, version, answering):
        store, worker = client.processes(answering(self.answer(version, "/processes")))
        assert (store.name, store.ready) == ("store", True)
        assert (worker.name, worker.ready) == ("worker", True)
        assert 2 < worker.uptime < 3


def test_a_process_without_a_command_has_an_entrypoint(answering):
    answer = {"name": "store", "entrypoint": ["sleep", "two words"]}
    assert client.declaration("store", answering(answer))[0] == "sleep 'two words'"


def test_a_refusal_is_said_in_its_own_words(answering):
    with pytest.raises(Problem, match="process-compose: no such process: x"):
        client.declaration("x", answering({"error": "no such process: x"}, "400 Bad Request"))


def test_without_process_compose_there_are_no_processes(tmp_path):
    assert client.processes(tmp_path / "nobody.sock") is None


@pytest.mark.parametrize("probe", ["Ready", "Not Ready", "-", None])
@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize(
    "status",
    [
        *("Pending", "Launching", "Launched", "Running", "Restarting", "Terminating"),
        *("Completed", "Skipped", "Error", "Disabled", "Foreground", "Scheduled"),
    ],
)
def test_the_start_page_calls_the_same_processes_ready(
    status, exit_code, probe, answering, monkeypatch
):
    """It asks process-compose by itself, because nothing of a project imports `.slipway`."""
    state = {
        "name": "web",
        "status": status,
        "exit_code": exit_code,
        "is_ready": probe or "-",
        "has_ready_probe": probe is not None,
        "is_running": status == "Running",
        "restarts": 0,
        "age": 10**9,
        "pid": 1,
    }
    socket_path = answering({"data": [state]}, times=2)
    monkeypatch.setenv("PC_SOCKET_PATH", socket_path)
    page = runpy.run_path(str(TEMPLATE / "home" / "processes.py"))["running"]()
    ready = [p.ready for p in client.processes(socket_path)]
    assert [p.dot in ("good", "off") for p in page] == ready


def test_an_answer_that_is_none_is_no_stack(answering):
    assert client.processes(answering({"error": "starting"})) is None
