"""What process-compose answers is read in the shape of every version."""

import json
import socket
import threading

import pytest

from slipway import Problem, client


@pytest.fixture
def answering(tmp_path, monkeypatch):
    """A function that has a stand-in for process-compose give one answer."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    servers = []

    def answering(answer: object, status: str = "200 OK") -> str:
        server = socket.socket(socket.AF_UNIX)
        server.bind("answers.sock")
        server.listen()
        servers.append(server)

        def serve() -> None:
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


def test_an_answer_that_is_none_is_no_stack(answering):
    assert client.processes(answering({"error": "starting"})) is None
