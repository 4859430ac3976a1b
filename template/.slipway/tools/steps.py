"""Says on standard error what the set-up is doing and how long it took."""

import shutil
import sys
import time


class SetupError(Exception):
    """The set-up cannot go on. Its text tells the user what is wrong and what to do."""


class Step:
    """One named step. On a terminal its line shows the progress; elsewhere only start and end."""

    def __init__(self, name: str, doing: str) -> None:
        self.name = name
        self._started = time.monotonic()
        self._shown = 0.0
        print(f"  {name}: {doing}", end=_end(), file=sys.stderr, flush=True)

    def show(self, progress: str) -> None:
        """Shows how far the step is, at most five times a second and only on a terminal."""
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown > 0.2:
            self._shown = now
            line = f"  {self.name}: {progress}, {now - self._started:.0f} s"
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)

    def done(self, what: str) -> None:
        """Ends the step's line with what was done and its seconds."""
        clear = "\r\033[K" if sys.stderr.isatty() else ""
        seconds = time.monotonic() - self._started
        print(f"{clear}  {self.name}: {what} in {seconds:.1f} s", file=sys.stderr, flush=True)


def _end() -> str:
    return "" if sys.stderr.isatty() else "\n"
