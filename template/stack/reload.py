"""Runs a worker and restarts it when the project's code changes.

    python -m stack.reload python manage.py run_mail_worker

The worker is told to stop once, by SIGTERM, and gets the time that it needs: a second signal
would make it drop its work. If it ends by itself, so does this program, with the same exit code,
and process-compose starts both again. (The `watchfiles` command does neither: it sends SIGINT
and kills, and a crashed worker stays dead until the next change.)
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = (".py", ".html", ".txt")
"""Code, and the templates of pages and mails, which a worker keeps in memory too."""


class Reloader:
    """Keeps one child process running *command*, and replaces it at each change."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.child: subprocess.Popen | None = None
        self.told: subprocess.Popen | None = None  # the child that was told to stop
        self.stopping = False

    def run(self) -> int:
        """Run until the child ends without having been replaced; return its exit code."""
        signal.signal(signal.SIGTERM, self.on_signal)
        signal.signal(signal.SIGINT, self.on_signal)
        threading.Thread(target=self.watch, daemon=True).start()
        while True:
            self.child = subprocess.Popen(self.command)
            if self.stopping:  # the signal came before there was a child to tell
                self.tell()
            code = self.child.wait()
            if self.stopping or self.told is not self.child:
                return code if code >= 0 else 128 - code

    def watch(self) -> None:
        """Tell the child to stop when a file of the project changes."""
        from watchfiles import watch  # here, so that the worker starts meanwhile

        packages = [init.parent for init in ROOT.glob("*/__init__.py")]
        for changes in watch(*packages, watch_filter=lambda _, path: path.endswith(SUFFIXES)):
            changed = sorted({os.path.relpath(path, ROOT) for _, path in changes})
            print(f"{', '.join(changed)} changed: restarting", flush=True)
            self.tell()

    def on_signal(self, *_: object) -> None:
        """Stop for good. May come while the child is being replaced."""
        self.stopping = True
        self.tell()

    def tell(self) -> None:
        """Send SIGTERM to the child, unless it has it already."""
        if self.child and self.told is not self.child:
            self.told = self.child
            self.child.terminate()


if __name__ == "__main__":
    sys.exit(Reloader(sys.argv[1:]).run())
