"""Where the project lies, what it declares, and the environment that its processes get."""

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from slipway import Problem, dotenv

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "services"
TOOLS = Path(__file__).resolve().parents[1] / "tools"
VENV = ROOT / ".venv"
# Bytes. With less, databases fail soon.
LEAST_SPACE = 50 << 20


def service_files() -> list[Path]:
    """Return the process-compose files of the systems that this project has."""
    return sorted(SERVICES.glob("*.yaml"))


def process_names() -> list[str]:
    """Return the processes that the files in `services/` declare."""
    names: set[str] = set()  # a file may add to a process of another
    for file in service_files():
        text = f"{file.read_text()}\n"
        processes = re.search(r"^processes:.*\n((?:[ \t#].*\n|\s*\n)+)", text, re.M)
        keys = re.findall(r"^( +)([\w.-]+):", processes[1] if processes else "", re.M)
        names |= {name for indent, name in keys if indent == keys[0][0]}
    return sorted(names)


def environment() -> dict[str, str]:
    """Return the environment of the stack's processes.

    It is `.env`, beaten by the real environment, with `DATA_DIR` made absolute, the project's
    packages first on `PATH`, and what process-compose needs. `DEV_ROOT` says that this is
    development. Raises `Problem` for a bad `.env`.
    """
    env = {**dotenv.read(ROOT / ".env"), **os.environ}
    env["DEV_ROOT"] = str(ROOT)
    env["DATA_DIR"] = str(ROOT / (env.get("DATA_DIR") or ".data"))
    env = {**dotenv.read(Path(env["DATA_DIR"], "ports.env")), **env}  # what `ports.chosen` wrote
    env["PATH"] = os.pathsep.join([str(VENV / "bin"), env.get("PATH", os.defpath)])
    env["PYTHONUNBUFFERED"] = "1"  # or the logs lag behind
    env["PC_SOCKET_PATH"] = str(socket_path(env["DATA_DIR"]))
    env["PC_DISABLE_DOTENV"] = "1"  # process-compose would let .env beat the environment
    # Its default folder, named, or each start prints that it does not exist.
    config = env.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    env.setdefault("PROC_COMP_CONFIG", str(Path(config) / "process-compose"))
    return env


def require_data_folder(env: dict[str, str]) -> Path:
    """Return the data folder, which is made. Raises `Problem` if it cannot take the state."""
    folder = Path(env["DATA_DIR"])
    # process-compose puts the path into its YAML before it reads that.
    if re.search(r'[\x00-\x1f"\\]|: | #', str(folder)):
        raise Problem(f"DATA_DIR={folder} holds a control character, a quote, a \\, ': ' or ' #'.")
    try:
        for part in (folder, folder / "logs"):
            part.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=part) as file:
                file.write(bytes(100_000))
        free = shutil.disk_usage(folder).free
        if free < LEAST_SPACE:
            raise OSError(errno.ENOSPC, f"only {free >> 20} MiB are free on its disk")
    except OSError as error:
        raise Problem(f"DATA_DIR={folder} cannot be used: {error.strerror}") from None
    return folder


def socket_path(data_dir: str) -> Path:
    """Return the Unix socket of the stack that keeps its state in *data_dir*.

    It is not in the project: a path of more than some 100 bytes does not work, and Nix refuses
    a folder that holds a socket. As `/tmp` is everybody's, the folder must be ours alone.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(base if os.path.isdir(base) and len(base) < 60 else "/tmp")  # noqa: S108
    folder /= f"slipway-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise Problem(
            f"{folder} must be a folder that only you can read and write, and it is not.\n"
            "Remove it, or set XDG_RUNTIME_DIR to a folder of your own."
        )
    name = hashlib.sha256(f"{ROOT}\0{data_dir}".encode()).hexdigest()[:16]
    return folder / f"{name}.sock"
