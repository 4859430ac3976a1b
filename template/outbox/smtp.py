"""SMTP that knows the moment after which a message may have been taken.

A mail server takes a message with the dot that ends it, and may need minutes to say so: RFC 5321,
4.5.3.2.6, asks for ten minutes of patience there. Who gives up earlier, and sends again, sends it
twice. Before the dot nothing is taken, and a short time-out does no harm.
"""

import smtplib
import socket
from collections.abc import Callable

from django.core.mail.backends import smtp

# Seconds to wait for the answer to the dot.
ANSWER_TIMEOUT = 600
END = b"\r\n.\r\n"


class _Connection(smtplib.SMTP):
    hand_over: Callable[[], None]

    def send(self, s: str | bytes) -> None:  # type: ignore[override]
        # smtplib sends commands as text. Bytes are a message, with its end.
        if not (isinstance(s, bytes) and s.endswith(END)):
            super().send(s)
            return
        if self.sock:  # else the dot waits for the acknowledgement of what is before it: 40 ms
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().send(s.removesuffix(END) + b"\r\n")
        self.hand_over()
        if self.sock:
            self.sock.settimeout(ANSWER_TIMEOUT)
        super().send(b".\r\n")

    def data(self, msg: str | bytes) -> tuple[int, bytes]:  # type: ignore[override]
        before = self.sock.gettimeout() if self.sock else None
        try:
            return super().data(msg)
        finally:
            if self.sock:
                self.sock.settimeout(before)


class _SecureConnection(_Connection, smtplib.SMTP_SSL):
    pass


class EmailBackend(smtp.EmailBackend):
    """Django's, which calls ``hand_over`` just before the end of each message leaves.

    If ``hand_over`` raises, the connection is closed and the message is not taken.
    """

    hand_over: Callable[[], None] = staticmethod(lambda: None)

    @property
    def connection_class(self) -> type[_Connection]:
        return _SecureConnection if self.use_ssl else _Connection

    def open(self) -> bool | None:
        opened = super().open()
        if isinstance(self.connection, _Connection):
            self.connection.hand_over = self.hand_over
        return opened
