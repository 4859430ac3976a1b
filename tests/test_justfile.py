"""`just` in the root of this repository does what it does in the template."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import ROOT, run

OF_THIS_REPOSITORY = {"bench", "new", "screenshots", "test-faults", "test-slipway", "update"}
# Here they are about the whole repository.
REPLACED = {"fmt", "lint"}


@pytest.fixture(autouse=True)
def just():
    if shutil.which("just") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("just is not on PATH")


def recipes(folder) -> dict[str, tuple]:
    """Return what `just --list` tells of each recipe, what it takes, and what it does."""
    dump = json.loads(run("just", "--dump", "--dump-format", "json", cwd=folder).stdout)
    return {
        name: (recipe["doc"], recipe["attributes"], recipe["parameters"], recipe["body"])
        for name, recipe in dump["recipes"].items()
        if not recipe["private"]
    }


def test_the_recipes_of_the_template_are_there_and_none_is_written_twice():
    root, template = recipes(ROOT), recipes(ROOT / "template")
    assert root.keys() == template.keys() | OF_THIS_REPOSITORY
    assert {name for name in template if root[name] != template[name]} == REPLACED
    assert all(doc for doc, *_ in root.values())


def test_no_recipes_of_a_part_lie_where_just_looks_for_a_justfile_of_its_own():
    """Or in the part's folder it would find that one alone."""
    names = {path.name.lower() for path in (ROOT / "template").glob("*/*justfile")}
    assert not names


@pytest.mark.parametrize("folder", ["", "tests", "template", "template/config"])
def test_arguments_arrive_as_they_are(folder):
    done = run("just", "logs", "two  words; $HOME", cwd=ROOT / folder, ok=False)
    assert "There is no log of two  words; $HOME." in done.stderr


@pytest.mark.parametrize("folder", ["", "template"])
def test_the_exit_code_arrives(folder, tmp_path):
    done = run("just", "status", cwd=ROOT / folder, ok=False, DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    wrong = run("just", "scale", "one", "many", cwd=ROOT / folder, ok=False)
    assert wrong.returncode == 2


def test_new_takes_the_folder_as_seen_from_where_it_is_called(tmp_path):
    command = ["just", "--justfile", ROOT / "justfile", "new", "shop", "minimal"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "shop" / "manage.py").exists()
