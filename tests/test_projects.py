"""What was laid down runs: its own tests, its whole stack, with Nix and without."""

import json
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from conftest import ROOT, commit, run

pytestmark = pytest.mark.slow

COMMON = {"setup", "django"}
CELERY = {"redis", "celery-worker", "celery-slow", "celery-mail", "celery-beat", "flower"}
TEMPORAL = {"temporal", "temporal-worker"}
PROCESSES = {
    "default": COMMON | CELERY | TEMPORAL,
    "celery": COMMON | CELERY,
    "temporal": COMMON | TEMPORAL,
    "minimal": COMMON,
}
PORTS = ("DJANGO_PORT", "REDIS_PORT", "FLOWER_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT")
BARE_PATH = os.pathsep.join(
    entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(str(ROOT))
)


def free_ports() -> dict[str, str]:
    probes = [socket.socket() for _ in PORTS]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = {name: str(probe.getsockname()[1]) for name, probe in zip(PORTS, probes, strict=True)}
    for probe in probes:
        probe.close()
    return ports


class Project:
    """A generated project on ports of its own. Without Nix, unless the environment says so."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {"DEV_NIX": "0", "PATH": BARE_PATH, **free_ports(), **environment}

    def dev(self, *command: str, ok: bool = True):
        return run("sh", "dev", *command, cwd=self.folder, ok=ok, **self.environment)

    @contextmanager
    def stack(self):
        """The stack, all ready; afterwards nothing of it is left."""
        self.dev("just", "up", "-D")
        try:
            self.dev("just", "wait")
            yield
        finally:
            self.dev("just", "down")
        assert not [name for name in PORTS if self.answers(name)]

    def processes(self) -> set[str]:
        status = json.loads(self.dev("just", "status", "-o", "json").stdout)
        assert all(process["ready"] for process in status)
        return {process["name"] for process in status}

    def answers(self, port: str) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.environment[port]))) == 0

    def page(self) -> str:
        with urlopen(f"http://127.0.0.1:{self.environment['DJANGO_PORT']}/", timeout=10) as answer:
            return answer.read().decode()

    def packages(self) -> set[str]:
        return set(
            re.findall(r'^name = "(.+)"', (self.folder / "uv.lock").read_text(), re.MULTILINE)
        )


@pytest.fixture
def lay_down(new, tmp_path):
    """A function that returns a committed project of a variant, in a folder named shop."""

    def lay_down(variant: str, **environment: str) -> Project:
        new("shop", variant, cwd=tmp_path)
        commit(tmp_path / "shop")
        return Project(tmp_path / "shop", **environment)

    return lay_down


@pytest.fixture
def in_nix(nix) -> dict[str, str]:
    """The environment in which `sh dev` takes Nix."""
    arguments = {"DEV_NIX": "", "DEV_NIX_ARGS": " ".join(nix.nixpkgs), "PATH": os.environ["PATH"]}
    return arguments | nix.environment


def check_the_whole_stack(project: Project, variant: str) -> None:
    with project.stack():
        assert project.processes() == PROCESSES[variant]
        assert "shop" in re.search(r"<title>(.*?)</title>", project.page(), re.DOTALL)[1].lower()
    assert ("celery" in project.packages()) == ("celery-worker" in PROCESSES[variant])
    assert ("temporalio" in project.packages()) == ("temporal-worker" in PROCESSES[variant])
    # All that a run leaves is ignored, but for the lock, which the first run prunes.
    changed = run("git", "status", "--porcelain", cwd=project.folder).stdout.split()
    assert changed in ([], ["M", "uv.lock"])


@pytest.mark.parametrize("variant", ["celery", "temporal", "minimal"])
def test_the_whole_stack_runs(variant, lay_down):
    check_the_whole_stack(lay_down(variant), variant)


def test_the_whole_stack_runs_in_the_shell_of_its_flake(lay_down, in_nix):
    project = lay_down("default", **in_nix)
    check_the_whole_stack(project, "default")
    # The programs of the backends come from Nix, not from wheels.
    assert not (project.folder / ".venv" / "bin" / "temporal").exists()


# `just test` of this repository runs the tests of the default variant where they lie. With those
# of stack/ and tools/ it is enough to pass once more: they bring projects of their own.
@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("celery", ["--ignore=stack", "--ignore=tools"]),
        ("temporal", ["--ignore=stack", "--ignore=tools"]),
        ("minimal", []),
    ],
)
def test_its_own_tests_pass(variant, options, lay_down):
    done = lay_down(variant).dev("just", "test", *options)
    assert re.search(r"\d+ passed", done.stdout)


def test_a_backend_is_added_later(lay_down, new):
    project = lay_down("celery")
    project.dev("just", "manage", "migrate")
    (project.folder / "README.md").write_text("Our shop.\n")
    new(project.folder, "add-temporal", cwd=project.folder)
    with project.stack():
        assert project.processes() == PROCESSES["default"]


def test_a_backend_is_removed_by_deleting_its_files(lay_down):
    project = lay_down("default")
    project.dev("just", "manage", "migrate")
    for path in ("config/celery.py", "services/celery.nix", "services/celery.yaml"):
        (project.folder / path).unlink()
    # What a switch to a branch without the backend leaves.
    for path in (project.folder / "tasks").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            path.unlink()
    assert (project.folder / "tasks").exists()
    with project.stack():
        assert project.processes() == PROCESSES["temporal"]


def test_a_moved_project_says_so_and_runs(lay_down):
    project = lay_down("minimal")
    project.dev("just", "setup")
    project.folder = project.folder.rename(project.folder.parent / "store")
    assert "moved from" in project.dev("just", "manage", "check").stderr
    with project.stack():
        assert "store" in project.page().lower()


def test_dev_turns_flakes_on_where_they_are_off(lay_down, in_nix):
    config = in_nix["NIX_CONFIG"].replace("experimental-features = nix-command flakes", "")
    project = lay_down("minimal", **in_nix | {"NIX_CONFIG": config})
    assert project.dev("printenv", "DEV_DOOR").stdout == "nix\n"


def test_files_that_git_does_not_know_are_named(new, in_nix, tmp_path):
    new("shop", "minimal", cwd=tmp_path)
    run("git", "init", "--quiet", cwd=tmp_path / "shop")
    done = Project(tmp_path / "shop", **in_nix).dev("true", ok=False)
    assert done.returncode != 0
    assert "flake.nix" in done.stderr
    assert "add -N" in done.stderr
