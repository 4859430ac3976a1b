"""Says on standard error what the set-up is doing and how long it took."""

import shutil
import sys
import threading
import time

# Seconds between two looks at the progress: on a terminal, and in a log.
TERMINAL, LOG = 0.2, 15


class SetupError(Exception):
    """The set-up cannot go on. Its text tells the user what is wrong and what to do."""


class Step:
    """One named step of several that go on beside each other.

    On a terminal, one line shows the progress of all. Elsewhere each has a line at its start and
    its end, and now and then one between them.
    """

    _lock = threading.Lock()
    _under_way: "list[Step]" = []
    _shown = 0.0

    def __init__(self, name: str, doing: str) -> None:
        self.name = name
        self._progress = doing
        self._started = time.monotonic()
        with Step._lock:
            Step._under_way.append(self)
            if not sys.stderr.isatty():
                _say(f"  {name}: {doing}")
                Step._shown = self._started

    def show(self, progress: str) -> None:
        """Show how far the step is, where that is no flood."""
        with Step._lock:
            self._progress = progress
            now = time.monotonic()
            if now - Step._shown < (TERMINAL if sys.stderr.isatty() else LOG):
                return
            Step._shown = now
            line = ", ".join(f"{step.name}: {step._progress}" for step in Step._under_way)
            line = f"  {line}, {now - self._started:.0f} s"
            width = shutil.get_terminal_size().columns - 1
            if sys.stderr.isatty():
                print(f"{_clear()}{line[:width]}", end="", file=sys.stderr, flush=True)
            else:
                _say(line)

    def say(self, what: str) -> None:
        """Print what the user must know, whatever the progress."""
        with Step._lock:
            _say(f"{_clear()}  {self.name}: {what}")

    def done(self, what: str) -> None:
        """End the step's line with what was done and its seconds."""
        with Step._lock:
            Step._under_way.remove(self)
            _say(f"{_clear()}  {self.name}: {what} in {time.monotonic() - self._started:.1f} s")


def _clear() -> str:
    return "\r\033[K" if sys.stderr.isatty() else ""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
