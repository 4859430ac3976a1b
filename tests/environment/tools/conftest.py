import re

import pytest

from environment.tools.stand_ins import GO, TEMPLATE, Machine, Project, Registry


@pytest.fixture
def registry():
    registry = Registry()
    yield registry
    registry.close()


@pytest.fixture
def machine(tmp_path):
    text = (TEMPLATE / ".slipway" / "tools" / "process_compose.py").read_text()
    go = GO
    for name in ("version", "sum"):
        value = re.search(rf'^{name.upper()} = "(.+)"', text, re.MULTILINE)[1]
        go = go.replace(f"@{name}@", value)
    return Machine(tmp_path, go)


@pytest.fixture
def project(tmp_path, machine, registry):
    project = Project(tmp_path / "my project", machine, registry)
    yield project
    project.end()
