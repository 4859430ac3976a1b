"""Runs a worker or a server, and starts a new one when the project's code changes.

    python .slipway/reload.py python manage.py run_mail_worker

The new one starts at once, while the old one finishes its work, as in a deployment. The old one is
told by SIGTERM, and once: a second signal would make it drop its work. (Django's server drops its
requests at the first, as it does with its own reloader.) One that ends by itself ends this program
with the same exit code, and process-compose starts both again. (The `watchfiles` command does none
of that.)

When this program is killed, its workers are told to end too. Otherwise they would go on unseen:
process-compose waits until nobody holds the output of what it has started.
"""

import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What no server loads: folders that nobody writes code in, and tests.
IGNORED = {"__pycache__", "media", "node_modules", "staticfiles", "tests", "tests.py"}
# Milliseconds between two looks for changes, and for packages that have come since.
LOOK, LOOK_AGAIN = 100, 3_000


class Reloader:
    """Keeps one process running *command*, and replaces it at each change."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.lock = threading.RLock()  # signals may interrupt each other
        self.stopping = False
        self.changed: set[Path] = set()  # and not yet loaded
        self.ended = threading.Event()
        self.worker: subprocess.Popen | None = None
        self.exit_code = 0

    def run(self) -> int:
        """Run until a worker ends that was not replaced; return its exit code."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        self.start()
        threading.Thread(target=self.watch, daemon=True).start()
        self.ended.wait()
        return self.exit_code

    def start(self) -> None:
        """Start a worker. It is the one that counts from now on."""
        self.worker = subprocess.Popen(self.command)
        if self.stopping:  # the signal came before there was a worker to tell
            self.worker.terminate()
        # The interpreter waits for these threads: replaced workers may finish.
        threading.Thread(target=self.wait_for, args=[self.worker, guard(self.worker)]).start()

    def wait_for(self, worker: subprocess.Popen, guard: subprocess.Popen) -> None:
        """Wait until a worker ends. If it was not replaced, so does this program."""
        code = worker.wait()
        guard.kill()
        guard.wait()
        with self.lock:
            if worker is self.worker:
                told = self.stopping and code == -signal.SIGTERM  # and it has nothing to finish
                self.exit_code = 0 if told else code if code >= 0 else 128 - code
                self.ended.set()

    def watch(self) -> None:
        """Replace the worker when a file of a package at the project's root changes."""
        from watchfiles import watch  # here, so that the worker starts meanwhile

        watched: set[Path] = set()
        while True:
            before, watched = watched, packages()
            if before and before != watched:
                self.replace(before ^ watched)
            # Not the root with all below it: that would be the thousands of folders of `.venv`.
            for changes in watch(
                *watched,
                watch_filter=lambda _, path: path.endswith(".py") and is_code(Path(path)),
                rust_timeout=LOOK_AGAIN,
                step=LOOK,
                yield_on_timeout=True,
            ):
                if packages() != watched:
                    break
                if changes:
                    self.replace({Path(path) for _, path in changes})

    def replace(self, changed: set[Path]) -> None:
        """Start a new worker, and tell the one before to end."""
        with self.lock:
            if not self.stopping and not self.ended.is_set():
                self.changed |= changed
                if error := mistake(self.changed):
                    print(f"{error}. The code from before runs on.", flush=True)
                    return
                names = sorted(str(path.relative_to(ROOT)) for path in self.changed)
                self.changed = set()
                print(f"{', '.join(names)} changed: restarting", flush=True)
                self.worker.terminate()
                self.start()

    def stop(self, *_: object) -> None:
        """Tell the worker to end for good."""
        with self.lock:
            if not self.stopping:
                self.stopping = True
                if self.worker:
                    self.worker.terminate()


def mistake(changed: set[Path]) -> str | None:
    """Return why no worker could load these files: they may be half written."""
    for path in changed:
        try:
            compile(path.read_bytes(), path, "exec")
        except (SyntaxError, ValueError) as error:
            return f"{path.relative_to(ROOT)}: {error}"
        except OSError:  # it has gone, or is a folder
            continue
    return None


def packages() -> set[Path]:
    """Return the packages at the project's root. A virtual environment is none."""
    found = {file.parent for name in ("__init__", "apps") for file in ROOT.glob(f"*/{name}.py")}
    return {path for path in found if is_code(path) and not (path / "pyvenv.cfg").exists()}


def is_code(path: Path) -> bool:
    """Return whether a server may load what is at *path*."""
    parts = path.relative_to(ROOT).parts
    return not any(part in IGNORED or part.startswith(".") for part in parts)


def guard(worker: subprocess.Popen) -> subprocess.Popen:
    """Start a shell that tells *worker* to end when this program has gone, however it ended.
    Not `PR_SET_PDEATHSIG`: a parent that has threads lets the kernel send that more than once.
    """
    return subprocess.Popen(
        ["sh", "-c", 'read -r _; kill "$0"', str(worker.pid)],  # noqa: S607
        stdin=subprocess.PIPE,  # which closes with this program
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(Reloader(sys.argv[1:]).run())
