# /// script
# requires-python = ">=3.11"
# ///
"""How long a project takes from an empty folder to ready, and what it costs while it is idle.

    just bench stack [VARIANT]

Linux only. The caches of the tools and the Python packages are used, so run it twice: the second
run shows what a second project costs on the same machine.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IDLE = 60
"""Seconds over which the idle stack is watched."""
TICKS = os.sysconf("SC_CLK_TCK")


def main(variant: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        env = environment()

        def run(*command: str | Path, cwd: Path = shop) -> float:
            start = time.perf_counter()
            done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{command} failed:\n{done.stdout}{done.stderr}")
            return time.perf_counter() - start

        made = run(sys.executable, ROOT / "generate.py", shop, variant, cwd=ROOT)
        env |= free_ports(shop)
        try:
            started = run("sh", "dev", "just", "up", "-D")
            ready = run("sh", "dev", "just", "wait")
            print(f"made      {made:6.2f} s")
            print(f"installed {started:6.2f} s  (just up -D)")
            print(f"ready     {ready:6.2f} s  (just wait)")
            print(f"together  {made + started + ready:6.2f} s\n")
            report_idle(shop)
        finally:
            stopped = run("sh", "dev", "just", "down")
        run("sh", "dev", "just", "up", "-D")
        warm = run("sh", "dev", "just", "wait")
        run("sh", "dev", "just", "down")
        print(f"\ndown      {stopped:6.2f} s")
        print(f"up again  {warm:6.2f} s  (ready)")


def environment() -> dict[str, str]:
    """This environment, without what belongs to the shell of this repository."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("DEV_ROOT", "DEV_TOOLS", "DJANGO_", "DATA_DIR", "PROJECT_NAME", "UV_")
        )
    }


def free_ports(project: Path) -> dict[str, str]:
    """A free port for each variable of the project's services."""
    text = "".join(file.read_text() for file in (project / "services").glob("*.yaml"))
    sockets = {name: socket.socket() for name in re.findall(r"\$\{(\w+_PORT):-", text)}
    for probe in sockets.values():
        probe.bind(("127.0.0.1", 0))
    ports = {name: str(probe.getsockname()[1]) for name, probe in sockets.items()}
    for probe in sockets.values():
        probe.close()
    return ports


def report_idle(project: Path) -> None:
    """Print the share of a core and the memory of each process while nothing happens."""
    before = usage(project)
    time.sleep(IDLE)
    after = usage(project)
    total = sum(cpu - before.get(pid, (cpu,))[0] for pid, (cpu, _, _) in after.items())
    memory = sum(pss for _, pss, _ in after.values())
    for pid, (cpu, pss, command) in sorted(after.items(), key=lambda item: -item[1][1]):
        share = (cpu - before.get(pid, (cpu,))[0]) / IDLE
        print(f"{share:7.2%} {pss / 1024:7.0f} MiB  {command[:60]}")
    print(f"{total / IDLE:7.2%} {memory / 1024:7.0f} MiB  of one core, of memory (PSS), idle")


def usage(project: Path) -> dict[str, tuple[float, int, str]]:
    """CPU seconds, children's included, PSS in KiB and the command, by process id."""
    mark = f"PC_SOCKET_PATH={socket_of(project)}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            times = (folder / "stat").read_text().rpartition(")")[2].split()[11:15]
            pss = re.search(r"^Pss:\s+(\d+)", (folder / "smaps_rollup").read_text(), re.M)
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended
        if pss:
            found[folder.name] = (sum(map(int, times)) / TICKS, int(pss[1]), command)
    return found


def socket_of(project: Path) -> str:
    """Where the project's process-compose listens: what all its processes have in common."""
    code = "from slipway import project as p; print(p.environment()['PC_SOCKET_PATH'])"
    command = [sys.executable, "-c", code]
    env = environment() | {"PYTHONPATH": str(project / ".slipway")}
    asked = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    return asked.stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "default")
