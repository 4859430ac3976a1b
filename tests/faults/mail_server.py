"""An SMTP server that answers late, never, or breaks."""

import contextlib
import socket
import ssl
import threading


class MailServer:
    """A real SMTP server on a free port, which does as it is told at each point."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        # What it does at a command or at the "END" of a message: a reply, seconds to wait before
        # the reply that is usual, "hold" to wait for `release`, "break" for the end of the
        # connection, or "silence".
        self.at: dict[str, str | float] = {}
        self.reached: list[str] = []  # those points
        self.taken: list[str] = []
        self.release = threading.Event()
        self.closing = threading.Event()
        self.tls: ssl.SSLContext | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self.closing.set()
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        usual = {"CONNECT": "220 ready", "DATA": "354 go on", "QUIT": "221 bye"}
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:

            def answer(point: str) -> bool:
                self.reached.append(point)
                does = self.at.get(point, 0)
                if does == "break":
                    return False
                if does == "silence":
                    return self.closing.wait() and False
                if isinstance(does, float):
                    self.closing.wait(does)
                if does == "hold":
                    self.release.wait()
                    does = 0
                reply = does if isinstance(does, str) else usual.get(point, "250 ok")
                connection.sendall(f"{reply}\r\n".encode())
                return True

            going = answer("CONNECT")
            while going and (line := lines.readline()):
                command = line.split()[0].decode().upper()
                going = answer(command)
                if going and command == "DATA" and command not in self.at:
                    message = b"".join(iter(lines.readline, b".\r\n"))
                    if not message.endswith(b"\r\n"):
                        return  # the connection broke before the end
                    self.taken.append(message.decode())
                    going = answer("END")
