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
    go_mod = (TEMPLATE / ".slipway" / "tools" / "go.mod").read_text()
    version = re.search(r"/process-compose v(\S+)", go_mod)[1]
    return Machine(tmp_path, GO.replace("@version@", version))


@pytest.fixture
def project(tmp_path, machine, registry):
    project = Project(tmp_path / "my project", machine, registry)
    yield project
    project.end()
