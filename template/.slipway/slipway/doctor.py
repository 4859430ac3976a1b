"""Says what is there, what is missing, and what to do about it. Needs neither just nor `.venv`."""

import difflib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from slipway import Problem, client, django_setup, dotenv, orphans, packages, ports, project, system

# The versions from which on a tool will do.
OLDEST = {"process-compose": (1, 87)}


class Report:
    """Prints one line a finding and remembers whether there was a bad one."""

    def __init__(self) -> None:
        self.healthy = True

    def good(self, text: str) -> None:
        """Print something that is as it should be."""
        print(f"  ok   {text}")

    def bad(self, text: str) -> None:
        """Print something that must change: what is wrong and what to do."""
        self.healthy = False
        self.warn(text)

    def warn(self, text: str) -> None:
        """Print something that may be as it should be, or not."""
        first, *rest = text.splitlines()
        print("\n".join([f"  !!   {first}", *(f"       {line}" for line in rest)]))


def doctor() -> int:
    """Print the report. Returns the exit code: 1 if something must change."""
    report = Report()
    print("Tools")
    _origin(report)
    # Until `.env` has been read, and where it cannot be.
    env = {**os.environ, "DEV_ROOT": str(project.ROOT)}
    env["PATH"] = f"{project.VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"
    _tools(report, env)
    print("Project")
    try:
        env = project.environment()
        report.good(".env is well-formed" if (project.ROOT / ".env").exists() else "no .env")
        _variables(report)
        report.good(f"{project.require_data_folder(env)} can be written to")
    except Problem as problem:
        report.bad(str(problem))
    _packages(report, env)
    print("Processes")
    running = _stack(report, env)
    _ports(report, env, running)
    return 0 if report.healthy else 1


def _origin(report: Report) -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    report.good(f"python {version}  {sys.executable}")
    origins = {"nix": "from `nix develop`", "wheels": "from `sh dev`"}
    report.good(f"tools {origins.get(os.environ.get('DEV_TOOLS', ''), 'of this machine')}")


def _tools(report: Report, env: dict[str, str]) -> None:
    wanted = {"uv": "", "just": "", "process-compose": "", **_services_tools()}
    for name, instead in wanted.items():
        found = _find(name, env) or (instead and _find(instead, env))
        version = found and _version(found)
        other = _without_nix(name, instead, version)
        line = f"{Path(found or name).name} {version}{other}  {found}"
        number, oldest = re.findall(r"\d+", version or ""), OLDEST.get(name, ())
        if not found:
            report.bad(f"{Path(name).name} is missing. To get it: nix develop or sh dev just setup")
        elif not version:
            report.bad(f"{Path(found).name} does not start: {found}")
        elif number and tuple(map(int, number)) < oldest:
            needed = ".".join(map(str, oldest))
            report.bad(f"{line}\n{needed} or later is needed: nix flake update")
        else:
            report.good(line)


def _find(tool: str, env: dict[str, str]) -> str | None:
    """Return the path of a program that is on `PATH`, or that a pattern names."""
    return shutil.which(tool, path=env["PATH"]) or next(map(str, project.ROOT.glob(tool)), None)


def _services_tools() -> dict[str, str]:
    """Return what `x-tools` of the files in `services/` names: program -> what may replace it."""
    texts = "\n".join(file.read_text() for file in project.service_files())
    blocks = re.findall(r"^x-tools:.*\n((?: +.+\n)+)", texts, re.MULTILINE)
    lines = [line.strip().partition(":") for block in blocks for line in block.splitlines()]
    return {name: instead.strip(" \"'") for name, _, instead in lines}


def _version(program: str) -> str | None:
    ask = ["version", "--short"] if Path(program).name == "process-compose" else ["--version"]
    try:
        answer = subprocess.run([program, *ask], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+(\.\d+)+", answer.stdout)
    return version[0] if version else "of an unknown version"


def _without_nix(name: str, instead: str, version: str | None) -> str:
    """Return what comes without Nix, if that differs."""
    if os.environ.get("DEV_TOOLS") != "nix":
        return ""
    wheels = re.findall("site-packages/([^/]+)", f"{name} {instead}".replace("_", "-"))
    packages = [name, f"rust-{name}", f"{name}-bin", *wheels]
    locked = rf'^name = "({"|".join(packages)})"\nversion = "([\d.]*\d)'
    if name == "process-compose":
        locked = r'^(VERSION) = "(.+)"'
    files = [*project.ROOT.glob("uv.lock"), *project.TOOLS.glob("uv.lock")]
    files += project.TOOLS.glob("process_compose.py")
    found = re.search(locked, "\n".join(file.read_text() for file in files), re.MULTILINE)
    if not found or found[2] == version:
        return ""
    return f" (without Nix: {f'{found[1]} ' if found[1] in wheels else ''}{found[2]})"


def _variables(report: Report) -> None:
    examples = [*project.ROOT.glob(".env.example"), *project.ROOT.glob("*/.env.example")]
    texts = "\n".join(file.read_text() for file in examples)
    known = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", texts, re.MULTILINE))
    for name in dotenv.read(project.ROOT / ".env") if known else ():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            report.warn(f"{name} in .env is in no .env.example of this project{meant}")


def _packages(report: Report, env: dict[str, str]) -> None:
    if not packages.is_current():
        report.bad(".venv is not up to date. To install the packages: just setup")
        return
    report.good(".venv is up to date")
    try:
        django_setup.require(env)
        report.good("Django can be set up: the settings are well-formed")
    except Problem as problem:
        report.bad(str(problem))


def _stack(report: Report, env: dict[str, str]) -> bool:
    socket = env.get("PC_SOCKET_PATH")
    if not socket:
        return False  # a bad .env
    if client.processes(socket) is not None:
        report.good(f"the stack runs, in {project.ROOT}")
        return True
    for pid in orphans.topmost(orphans.find(socket)):
        report.bad(f"left behind by an earlier stack: {system.describe(pid)}. To end it: just down")
    return False


def _ports(report: Report, env: dict[str, str], running: bool) -> None:
    try:
        declared = ports.declared(env)
    except Problem as problem:
        report.bad(str(problem))
        return
    for port in declared:
        text = f"port {port.number} ({port.variable}, {port.service})"
        if ports.is_free(port.number):
            report.good(f"{text} is free")
        elif running:
            report.good(f"{text} is in use by {ports.holder(port.number)}")
        else:
            report.bad(ports.describe_taken(port, declared))
