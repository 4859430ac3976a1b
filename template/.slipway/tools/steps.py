"""Says on standard error what the set-up is doing and how long it took."""

import shutil
import sys
import threading
import time

TERMINAL, LOG = 0.2, 15  # seconds between two looks at the progress: there, and elsewhere


class SetupError(Exception):
    """The set-up cannot go on. Its text tells the user what is wrong and what to do."""


class Step:
    """One named step of several that go on beside each other.

    On a terminal, the last line shows how far one of them is. Elsewhere that is said now and then.
    """

    _lock = threading.Lock()
    _shown = time.monotonic()

    def __init__(self, name: str, doing: str) -> None:
        self.name = name
        self._started = time.monotonic()
        if not sys.stderr.isatty():
            self.say(doing)

    def show(self, progress: str) -> None:
        """Show how far the step is, where that is no flood."""
        now = time.monotonic()
        if now - Step._shown >= (TERMINAL if sys.stderr.isatty() else LOG):
            Step._shown = now
            width = shutil.get_terminal_size().columns - 1
            line = f"{progress}, {now - self._started:.0f} s"[: width - len(self.name) - 4]
            self.say(line, end="" if sys.stderr.isatty() else "\n")

    def say(self, what: str, end: str = "\n") -> None:
        """Print what the user must know, whatever the progress."""
        clear = "\r\033[K" if sys.stderr.isatty() else ""
        with Step._lock:
            print(f"{clear}  {self.name}: {what}", end=end, file=sys.stderr, flush=True)

    def done(self, what: str) -> None:
        """Say what was done, and in how many seconds."""
        self.say(f"{what} in {time.monotonic() - self._started:.1f} s")
