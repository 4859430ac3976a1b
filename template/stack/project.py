"""Where the project lies, and the environment that its processes get."""

import hashlib
import os
import re
import stat
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "services"
VENV = ROOT / ".venv"


class Problem(Exception):
    """What is wrong, where, and what to do about it. Shown to the user without a traceback."""


def service_files() -> list[Path]:
    """Return the process-compose files of the systems that this project has."""
    return sorted(SERVICES.glob("*.yaml"))


def process_names() -> list[str]:
    """Return the processes that the files in `services/` declare."""
    names = []
    for file in service_files():
        processes = re.search(
            r"^processes:.*\n((?:[ \t#].*\n|\s*\n)+)", f"{file.read_text()}\n", re.M
        )
        keys = re.findall(r"^( +)([\w.-]+):", processes[1] if processes else "", re.M)
        names += [name for indent, name in keys if indent == keys[0][0]]
    return sorted(names)


def environment() -> dict[str, str]:
    """Return the environment of the stack's processes.

    It is `.env`, beaten by the real environment, with `DATA_DIR` made absolute, the project's
    packages first on `PATH`, and what process-compose needs. Raises `Problem` for a bad `.env`.
    """
    env = {**dotenv(), **os.environ}
    env["DATA_DIR"] = str(ROOT / (env.get("DATA_DIR") or ".data"))
    env["PATH"] = os.pathsep.join([str(VENV / "bin"), env.get("PATH", os.defpath)])
    env["PYTHONUNBUFFERED"] = "1"  # or the logs lag behind
    env["PC_SOCKET_PATH"] = str(socket_path(env["DATA_DIR"]))
    env["PC_DISABLE_DOTENV"] = "1"  # process-compose would let .env beat the environment
    # Its default folder, named, or each start prints that it does not exist.
    config = env.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    env.setdefault("PROC_COMP_CONFIG", str(Path(config) / "process-compose"))
    return env


def socket_path(data_dir: str) -> Path:
    """Return the Unix socket of the stack that keeps its state in *data_dir*.

    It is not in the project: a path of more than some 100 bytes does not work, and Nix refuses
    a folder that holds a socket. As `/tmp` is everybody's, the folder must be ours alone.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(base if os.path.isdir(base) and len(base) < 60 else "/tmp")  # noqa: S108
    folder /= f"stack-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise Problem(
            f"{folder} must be a folder that only you can read and write, and it is not.\n"
            "Remove it, or set XDG_RUNTIME_DIR to a folder of your own."
        )
    name = hashlib.sha256(f"{ROOT}\0{data_dir}".encode()).hexdigest()[:16]
    return folder / f"{name}.sock"


_LINE = re.compile(
    r"""(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*
    (?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\s'"]*))\s*(?:\#.*)?""",
    re.VERBOSE,
)


def dotenv() -> dict[str, str]:
    """Read `.env`. Raises `Problem` that names each line which just or Django would not read."""
    values, bad = {}, []
    file = ROOT / ".env"
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{file} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := _LINE.fullmatch(line.strip()):
            name, single, double, bare = match.groups()
            if double is not None:
                double = re.sub(r"\\(.)", r"\1", double)
            values[name] = next(v for v in (single, double, bare) if v is not None)
        else:
            bad.append(f".env, line {number}: {line.strip()}")
    if bad:
        form = "NAME=value, and in quotes if the value holds spaces: NAME='a value'"
        raise Problem("\n".join([*bad, f"A line of .env has the form {form}"]))
    return values
