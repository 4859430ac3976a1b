"""`just` in the root of this repository does what it does in the template."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import ROOT, run

OF_THIS_REPOSITORY = {"default", "bench", "new", "screenshots", "test-generator"}


@pytest.fixture(autouse=True)
def just():
    if shutil.which("just") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("just is not on PATH")


def recipes(folder) -> dict[str, tuple]:
    """Return what `just --list` tells of each recipe, and what it takes."""
    dump = json.loads(run("just", "--dump", "--dump-format", "json", cwd=folder).stdout)
    return {
        name: (recipe["doc"], recipe["attributes"], recipe["parameters"])
        for name, recipe in dump["recipes"].items()
        if not recipe["private"]
    }


def test_the_lists_agree():
    root = {n: r for n, r in recipes(ROOT).items() if n not in OF_THIS_REPOSITORY}
    assert root == recipes(ROOT / "template")
    assert all(doc for doc, *_ in recipes(ROOT).values())


@pytest.mark.parametrize("folder", ["", "template"])
def test_arguments_arrive_as_they_are(folder):
    done = run("just", "logs", "two  words; $HOME", cwd=ROOT / folder, ok=False)
    assert "There is no log of two  words; $HOME." in done.stderr


def test_the_exit_code_arrives(tmp_path):
    done = run("just", "status", cwd=ROOT, ok=False, DATA_DIR=str(tmp_path))
    assert done.returncode == 1


def test_new_takes_the_folder_as_seen_from_where_it_is_called(tmp_path):
    command = ["just", "--justfile", ROOT / "justfile", "new", "shop", "minimal"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "shop" / "manage.py").exists()
