r"""A readiness probe that waits until the answer is yes, so that it can be asked rarely.

    python -IS .slipway/ready.py http 8000 /health/
    python -IS .slipway/ready.py talk 6000 'PING\r\n' +PONG

process-compose asks at a fixed period, first when the process starts. To notice readiness soon, a
probe that only looks would need a short one, and burn CPU for ever after. This one looks on for
`PATIENCE` seconds, and exits 0 as soon as the process is ready, else 1.
"""

import _socket  # `socket` and `os` would double what a probe costs
import posix
import sys
import time

# Seconds: the probes' period, so that one follows the other until one says yes; and of one look.
PATIENCE, TIMEOUT = 10.0, 4.0


def http(port: str, path: str) -> bool:
    """`GET path` answers 200."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    return _ask(port, request).split(b" ", 2)[1:2] == [b"200"]


def talk(port: str, text: str, answer: str) -> bool:
    r"""The server answers *text*, in which `\n` or `\0` is one byte, with what begins so."""
    return _ask(port, text.encode().decode("unicode_escape")).startswith(answer.encode())


def _ask(port: str, request: str) -> bytes:
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT)
    connection.connect(("127.0.0.1", int(port)))
    connection.sendall(request.encode())
    return connection.recv(64)


def main(check: str, *arguments: str) -> int:
    """Wait until *check* holds and return the exit code."""
    if check == "heartbeat":  # as services of older projects ask
        script = __file__.replace("ready.py", "heartbeat.sh")
        posix.execv("/bin/sh", ["sh", script, *arguments])
    look = {"http": http, "talk": talk}[check]
    parent, start = posix.getppid(), time.monotonic()
    while True:
        try:
            if look(*arguments):
                return 0
        except TimeoutError:
            return 1  # it listens and hangs: to be said soon
        except (OSError, ValueError):
            pass  # not listening: not ready
        waited = time.monotonic() - start
        # A probe must not outlive a stack that is stopped before it is ready.
        if waited > PATIENCE or posix.getppid() != parent:
            return 1
        time.sleep(min(max(0.1, waited / 5), 1))


if __name__ == "__main__":
    posix._exit(main(*sys.argv[1:]))  # to tidy up would cost a millisecond more
