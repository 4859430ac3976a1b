"""`.venv` follows `uv.lock`, where the tools are from and where the project lies."""

import json

STAMP = ".venv/slipway.json"


def test_uv_is_asked_only_after_a_change(project):
    assert "uv sync --all-packages --compile-bytecode --group bin" in project.ok("setup")
    assert project.ok("setup", "--if-needed") == ""
    project.write("uv.lock", "new\n")
    assert "uv sync" in project.ok("setup", "--if-needed")
    project.write("tasks/pyproject.toml", "")
    assert "uv sync" in project.ok("setup", "--if-needed")
    assert "uv sync" in project.ok("setup")


def test_with_nix_the_binaries_are_not_downloaded(project):
    assert "--group" not in project.ok("setup", DEV_TOOLS="nix")


def test_tools_from_elsewhere_rebuild_it_and_it_says_so(project):
    project.ok("setup")
    project.write(".venv/old", "")
    said = project.ok("setup", DEV_TOOLS="nix")
    assert "Rebuilding .venv: the environment has changed from wheels to nix." in said
    assert not (project.root / ".venv/old").exists()


def test_without_word_of_the_tools_the_last_ones_count(project):
    project.ok("setup")
    del project.env["DEV_TOOLS"]
    assert project.ok("setup", "--if-needed") == ""


def test_another_python_of_nix_rebuilds_it(project):
    project.ok("setup", UV_PYTHON="/nix/store/1/python")
    assert "Rebuilding" in project.ok("setup", UV_PYTHON="/nix/store/2/python")


def test_a_moved_project_rebuilds_it(make_project):
    project = make_project("shop")
    project.ok("setup")
    old = project.root
    project.root = old.rename(old.with_name("moved"))
    project.env["PATH"] = project.env["PATH"].replace(str(old), str(project.root))
    assert f"the project has moved from {old}" in project.ok("setup", "--if-needed")
    assert json.loads((project.root / STAMP).read_text())["root"] == str(project.root)


def test_a_python_that_has_gone_rebuilds_it(project):
    project.ok("setup")
    (project.root / ".venv/bin/python").unlink()
    assert "Rebuilding .venv" in project.ok("setup", "--if-needed")


def test_never_under_a_running_stack(project):
    project.ok("up", "-D")
    stamp = (project.root / STAMP).read_text()
    said = project.refused("setup", DEV_TOOLS="nix")
    assert "the stack runs on it" in said
    assert "just down" in said
    assert (project.root / STAMP).read_text() == stamp


def test_what_git_leaves_of_a_removed_member_goes(project):
    emptied = project.write("tasks/__pycache__/models.cpython-311.pyc", "").parents[1]
    (emptied / "migrations").mkdir()
    assert "Removing tasks/" in project.ok("setup")
    assert not emptied.exists()


def test_half_a_member_is_named_and_kept(project):
    left = project.write("tasks/models.py", "mine")
    assert "tasks/ has no pyproject.toml, but holds tasks/models.py" in project.refused("setup")
    assert left.read_text() == "mine"


def test_what_uv_cannot_get_is_said(project):
    project.write("bin/uv", "#!/bin/sh\necho 'error: Failed to fetch: django' >&2\nexit 2\n")
    said = project.refused("up", "-D")
    assert "Failed to fetch: django" in said
    assert "could not be installed" in said
    assert project.processes() == {}


def test_a_changed_lock_is_announced(project):
    project.write(
        "bin/uv", "#!/bin/sh\nmkdir -p .venv/bin; touch .venv/bin/python; date >uv.lock\n"
    )
    assert "uv.lock has changed: commit it." in project.ok("setup")
