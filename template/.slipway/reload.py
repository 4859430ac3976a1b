"""Runs a worker and starts a new one when the project's code changes.

    python .slipway/reload.py python manage.py run_mail_worker

The new worker starts at once, while the old one finishes its work, as in a deployment. The old one
is told by SIGTERM, and once: a second signal would make it drop its work. A worker that ends by
itself ends this program with the same exit code, and process-compose starts both again. (The
`watchfiles` command does none of that.)

When this program is killed, its workers are told to end too. Otherwise they would go on unseen:
process-compose waits until nobody holds the output of what it has started.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Code, and the templates of pages and mails, which a worker keeps in memory too.
SUFFIXES = (".py", ".html", ".txt")
# Folders that nobody writes code in, besides hidden ones and virtual environments.
IGNORED = {"__pycache__", "media", "node_modules", "staticfiles"}
# Milliseconds after which the files are looked at although nothing was heard of a change.
LOOK_AGAIN = 10_000


# The files that count, by their path in the project: when each was written, and its size.
Files = dict[str, tuple[int, int]]


class Reloader:
    """Keeps one process running *command*, and replaces it at each change."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.lock = threading.RLock()  # signals may interrupt each other
        self.stopping = False
        self.ended = threading.Event()
        self.worker: subprocess.Popen | None = None
        self.exit_code = 0

    def run(self) -> int:
        """Run until a worker ends that was not replaced; return its exit code."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        seen, _ = look()
        self.start()
        threading.Thread(target=self.watch, args=[seen], daemon=True).start()
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
                self.exit_code = code if code >= 0 else 128 - code
                self.ended.set()

    def watch(self, seen: Files) -> None:
        """Replace the worker when the files of the project are no longer those that were *seen*."""
        for found in look_at_each_change():
            changed = {path for path, _ in seen.items() ^ found.items()}
            seen = found
            if changed:
                with self.lock:
                    if self.stopping or self.ended.is_set():
                        return
                    print(f"{', '.join(sorted(changed))} changed: restarting", flush=True)
                    self.worker.terminate()
                    self.start()

    def stop(self, *_: object) -> None:
        """Tell the worker to end for good."""
        with self.lock:
            if not self.stopping:
                self.stopping = True
                if self.worker:
                    self.worker.terminate()


def look() -> tuple[Files, list[str]]:
    """Return the files that count, and the folders in which one may change or appear.

    Those are the packages at the project's root, with all that is in them. A folder there that is
    none may become one.
    """
    files: Files = {}
    folders = [str(ROOT)]
    packages = []
    for folder in entries(ROOT, files, suffixes=".py"):
        folders.append(folder)
        if os.path.exists(f"{folder}/__init__.py"):
            packages.append(folder)
    for folder in packages:  # grows meanwhile
        inner = entries(folder, files, SUFFIXES)
        packages += inner
        folders += inner
    return files, folders


def entries(folder: str | Path, files: Files, suffixes: str | tuple[str, ...]) -> list[str]:
    """Add the files of *folder* with these suffixes to *files*, and return its folders."""
    folders = []
    with contextlib.suppress(OSError), os.scandir(folder) as found:  # it may be gone meanwhile
        for entry in found:
            if entry.name.startswith(".") or entry.name in IGNORED:
                continue
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=folder is ROOT):  # no circles
                    if entry.name.endswith(suffixes):
                        about = entry.stat()
                        files[os.path.relpath(entry, ROOT)] = about.st_mtime_ns, about.st_size
                elif not os.path.exists(f"{entry.path}/pyvenv.cfg"):
                    folders.append(entry.path)
    return folders


def look_at_each_change() -> Iterator[Files]:
    """Yield the files that count whenever something has changed, or may have.

    Each folder is watched by itself. Watching the root with all below it would make the system
    watch the thousands of folders of `.venv` and `node_modules`.
    """
    from watchfiles import watch  # here, so that the worker starts meanwhile

    def counts(_: object, path: str) -> bool:
        return os.path.splitext(path)[1] in ("", *SUFFIXES)  # a folder's name has no suffix

    while True:
        _, folders = look()
        # What changes before the watch has begun is seen at its first time-out.
        heard = watch(
            *folders,
            watch_filter=counts,
            recursive=False,
            rust_timeout=LOOK_AGAIN,
            yield_on_timeout=True,
        )
        with contextlib.suppress(FileNotFoundError):  # a folder that has gone before the watch
            for _ in heard:
                files, current = look()
                yield files
                if set(current) != set(folders):
                    break


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
