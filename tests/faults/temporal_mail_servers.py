"""Mail servers that misbehave."""

import contextlib
import socket
import threading


class HeldServer:
    """A mail server that takes a message only once it is released."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.busy = threading.Event()
        self.released = threading.Event()
        self.messages: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw", newline="\r\n") as stream:

            def say(line: str) -> None:
                stream.write(line + "\r\n")
                stream.flush()

            say("220 ready")
            for line in stream:
                command = line.split(maxsplit=1)[0].upper()
                if command == "DATA":
                    self.busy.set()
                    self.released.wait()
                    say("354 go on")
                    message = "".join(iter(stream.readline, ".\r\n"))
                    self.messages.append(message)
                say("221 bye" if command == "QUIT" else "250 ok")
