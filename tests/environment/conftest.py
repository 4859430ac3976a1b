"""What the tests of `.slipway` share: small projects of their own, and the running template."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from environment.running_stack import RunningStack
from environment.small_project import WEB, WORKER, Project
from slipway import ports


@pytest.fixture
def make_project(tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    if shutil.which("process-compose") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("process-compose is not on PATH")
        pytest.skip("process-compose is not on PATH")
    projects = []
    runtime_dir = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path must be short

    def make(name: str) -> Project:
        projects.append(Project(tmp_path / name, runtime_dir))
        return projects[-1]

    yield make
    left = {}
    for project in projects:
        project.run("down")
        left |= project.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(runtime_dir)
    assert not left


@pytest.fixture
def project(make_project: Callable[[str], Project]) -> Project:
    return make_project("shop")


@pytest.fixture
def running(project: Project) -> Project:
    """A project whose web server and worker are ready."""
    project.services(WEB + WORKER)
    project.ok("up", "-D")
    project.ok("wait")
    return project


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory) -> Iterator[RunningStack]:
    """The whole stack, ready. It is stopped after the last test, and leaves nothing behind."""
    stack = RunningStack(tmp_path_factory.mktemp("stack"))
    try:
        started = stack.command("up", "-D")
        assert started.returncode == 0, started.stdout
        waited = stack.command("wait", "--timeout", "60")
        assert waited.returncode == 0, waited.stdout
        yield stack
    finally:
        stopped = stack.command("down")
    assert stopped.returncode == 0, stopped.stdout
    assert all(ports.is_free(number) for number in stack.ports.values())
