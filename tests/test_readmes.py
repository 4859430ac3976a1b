"""Every link and every command of the READMEs exists, in each variant that they come with."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import PARTS, VARIANTS, run


@pytest.fixture(params=["this repository", *VARIANTS])
def folder(request, source, new, tmp_path) -> Path:
    """Where somebody reads the README, and follows what it says."""
    if request.param == "this repository":
        return source
    new("shop", request.param, cwd=tmp_path)
    return tmp_path / "shop"


def readmes(folder: Path) -> list[Path]:
    found = [*folder.glob("*.md"), *folder.glob("*/README.md")]
    assert folder / "README.md" in found
    return found


def code(readme: Path) -> str:
    """What is set as code: indented, fenced, or between backticks."""
    text = readme.read_text()
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^    \S.*$", text, re.MULTILINE)
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return "\n".join([*fenced, *indented, *inline])


def test_every_link_leads_somewhere(folder):
    for readme in readmes(folder):
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text())
        local = [link for link in links if not re.match(r"\w+:", link)]
        assert not [link for link in local if not (readme.parent / link).exists()], readme


def test_every_just_command_exists(folder):
    recipes = set(run("just", "--summary", cwd=folder).stdout.split())
    # What is done to a project is done in a clone of this repository.
    recipes |= {"new", "update"}
    named = {
        name
        for readme in readmes(folder)
        for name in re.findall(r"\bjust ([a-z][\w-]*)", code(readme))
    }
    assert "up" in named
    assert named <= recipes


def test_every_name_given_to_just_new_exists(folder):
    """Parts and variants, as in `just new ../shop celery reports`."""
    given = {
        name
        for readme in readmes(folder)
        for names in re.findall(r"\bjust new \.\./\w+((?: [a-z-]+)*)", code(readme))
        for name in names.split()
    }
    known = {*VARIANTS, *PARTS, *(f"add-{part}" for part in PARTS)}
    assert given
    assert given <= known


def test_every_command_of_django_exists(folder, tmp_path):
    if not (folder / "manage.py").exists():
        folder = folder / "template"
    settings = {"DJANGO_DEBUG": "true", "DATA_DIR": str(tmp_path / "data")}
    listed = run(sys.executable, "manage.py", "help", "--commands", cwd=folder, **settings)
    named = {
        name
        for readme in readmes(folder)
        for name in re.findall(r"(?:manage\.py|just manage) ([a-z_]+)", code(readme))
    }
    assert named
    assert named <= set(listed.stdout.split())


def test_every_template_and_package_exists(folder, nix, source):
    shown = json.loads(nix.with_nixpkgs("flake", "show", "--json", cwd=source).stdout)
    outputs = {*shown["templates"], *shown["packages"]["x86_64-linux"]}
    named = {name for readme in readmes(folder) for name in re.findall(r">#([\w-]+)", code(readme))}
    assert "add-celery" in named
    assert named <= outputs


def test_a_part_says_which_files_to_delete_and_whose_tables(source):
    """The paths in its README are those of parts.toml, and the apps those that have migrations."""
    for part in tomllib.loads((source / "parts.toml").read_text()).values():
        (folder,) = (path for path in part["files"] if (source / "template" / path).is_dir())
        readme = source / "template" / folder / "README.md"
        words = set(re.findall(r"[\w./*-]+", code(readme)))
        named = {
            path.relative_to(source / "template").as_posix()
            for word in words
            if re.match(r"\w", word)
            for path in (source / "template").glob(word.rstrip("/"))
        }
        if part["files"] == [folder]:
            assert "delete the folder" in readme.read_text(), folder
        else:
            assert set(part["files"]) <= named, folder
        apps = {path.parent.name for path in (source / "template" / folder).rglob("migrations")}
        assert apps <= set(re.findall(r"migrate (\w+) zero", readme.read_text())), folder
