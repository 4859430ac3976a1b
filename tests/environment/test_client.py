"""What process-compose answers is read in the shape of every version."""

import json
import runpy
import socket
import threading

import pytest

from environment.small_project import TEMPLATE
from slipway import Problem, client


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


@pytest.mark.parametrize("form", [str.title, str.lower])  # before 1.110, and since
@pytest.mark.parametrize(("extensions", "scalable"), [({"x-scalable": True}, True), (None, False)])
def test_how_a_process_is_declared(form, extensions, scalable, answering):
    answer = {form("command"): "exec python manage.py", form("extensions"): extensions}
    declared = client.declaration("worker", answering(answer))
    assert declared == client.Declaration("exec python manage.py", scalable)


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
    assert [p.dot == "good" for p in page] == [p.ready for p in client.processes(socket_path)]


def test_an_answer_that_is_none_is_no_stack(answering):
    assert client.processes(answering({"error": "starting"})) is None
