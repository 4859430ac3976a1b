"""What `just update` brings to a project, what it leaves alone, and what it refuses.

Most tests use a small Slipway of their own, so that its history can be written here.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import commit, run, tree

PARTS = """
[celery]
kind = "backend"
default = true
title = "Celery"
purpose = "short tasks"
needs = []
files = ["config/celery.py", "tasks"]

[temporal]
kind = "backend"
default = true
title = "Temporal"
purpose = "long workflows"
needs = []
files = ["config/temporal.py", "workflows"]

[orders]
kind = "example"
title = "Orders"
purpose = "a saga"
needs = ["temporal"]
files = ["orders"]
"""
PACKAGES = '[project]\nname = "project"\nversion = "{}"\nrequires-python = ">=3.11"\n'
LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "project"
version = "{}"
source = {{ virtual = "." }}
"""
# No name and no address, and no configuration but the repository's own.
NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "EMAIL": ""}


def lines(name: str, *changed: int) -> str:
    """Return a file that is like no other, with some lines changed."""
    return "".join(
        f"{name}: line {number}{' by Slipway' if number in changed else ''}\n"
        for number in range(20)
    )


class Repository:
    """A folder that Git knows: a small Slipway, or a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str:
        return run("git", *arguments, cwd=self.folder).stdout

    def write(self, **files: str) -> None:
        for path, text in files.items():
            self.path(path).parent.mkdir(parents=True, exist_ok=True)
            self.path(path).write_text(text)

    def path(self, name: str) -> Path:
        return self.folder / name

    def edit(self, path: str) -> None:
        """Edit the last line, which Slipway never changes here."""
        self.path(path).write_text(self.path(path).read_text() + "mine\n")

    def commit(self) -> str:
        commit(self.folder)
        return self.git("rev-parse", "HEAD").strip()

    def changed(self) -> str:
        return self.git("status", "--porcelain", "--untracked-files=no")


class Slipway(Repository):
    def new(self, folder: Path, *names: str) -> Repository:
        self("new", folder, *names)
        commit(folder)
        return Repository(folder)

    def __call__(self, verb: str, target: Path | Repository, *options: str, ok=True, **environment):
        folder = target.folder if isinstance(target, Repository) else target
        program = {"new": "generate.py", "update": "update.py"}[verb]
        return run(
            *(sys.executable, self.folder / program, folder, *options),
            cwd=self.folder.parent,
            ok=ok,
            **NOBODY | environment,
        )

    def update(self, project: Path | Repository, *options: str, **environment) -> str:
        return self("update", project, *options, **environment).stdout

    def refuses(self, project: Path | Repository, *options: str, **environment) -> str:
        """Return why an update is refused. It must have changed nothing."""
        folder = project.folder if isinstance(project, Repository) else project
        before = tree(folder)
        done = self("update", project, *options, ok=False, **environment)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert tree(folder) == before
        return done.stderr


@pytest.fixture
def slipway(source, tmp_path) -> Slipway:
    """A small Slipway with one commit."""
    folder = tmp_path / "slipway"
    folder.mkdir()
    for name in ("generate.py", "update.py", "parts.py"):
        shutil.copy(source / name, folder)
    names = [
        *("manage.py", "README.md", "dev", ".slipway/__main__.py", ".slipway/slipway/up.py"),
        *(f"home/page{number}.py" for number in range(30)),
        *("config/celery.py", "tasks/worker.py", "tasks/emails.py"),
        *("config/temporal.py", "workflows/worker.py"),
        *("orders/models.py", "orders/workflow.py"),
    ]
    slipway = Slipway(folder)
    slipway.write(
        **{
            "parts.toml": PARTS,
            "template/.gitignore": "__pycache__/\n.venv/\n",
            "template/home/__init__.py": "",
            "template/orders/__init__.py": "",
            "template/flake.lock": '{"nixpkgs": 1}\n',
            "template/pyproject.toml": PACKAGES.format(1),
            "template/uv.lock": LOCK.format(1),
        },
        **{f"template/{name}": lines(name) for name in names},
    )
    slipway.commit()
    return slipway


def change(slipway: Slipway, *paths: str) -> None:
    """Change the first lines of files of the template."""
    for path in paths:
        slipway.write(**{f"template/{path}": lines(path, 1, 2)})


def test_edits_deletions_and_renames_on_both_sides(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    edited = [f"home/page{number}.py" for number in range(20)]
    for path in edited:
        shop.edit(path)
    deleted = ["home/page20.py", "home/page21.py", "README.md"]
    shop.git("rm", "-q", *deleted)
    shop.git("mv", "home/page22.py", "home/first.py")
    shop.git("mv", "home/page23.py", "home/second.py")
    shop.edit("home/second.py")
    shop.commit()

    change(slipway, *edited, "home/page20.py", "home/page22.py", "home/page23.py")
    slipway.git("mv", "template/home/page0.py", "template/home/zero.py")
    slipway.git("mv", "template/home/page24.py", "template/tasks/moved.py")
    slipway.git("rm", "-q", "template/home/page25.py")
    slipway.write(**{"template/home/more.py": lines("more")})
    slipway.commit()

    start = time.monotonic()
    said = slipway.update(shop)
    assert time.monotonic() - start < 10

    for number in range(1, 20):
        path = f"home/page{number}.py"
        assert shop.path(path).read_text() == lines(path, 1, 2) + "mine\n"
    assert shop.path("home/zero.py").read_text() == lines("home/page0.py", 1, 2) + "mine\n"
    assert shop.path("home/first.py").read_text() == lines("home/page22.py", 1, 2)
    assert shop.path("home/second.py").read_text() == lines("home/page23.py", 1, 2) + "mine\n"
    assert shop.path("tasks/moved.py").read_text() == lines("home/page24.py")
    assert shop.path("home/more.py").read_text() == lines("more")
    gone = [*deleted, "home/page0.py", "home/page22.py", "home/page24.py", "home/page25.py"]
    assert not [path for path in gone if shop.path(path).exists()]
    assert "deleted by you. They stay deleted:\n  home/page20.py\n" in said
    assert "onflict" not in said
    assert not shop.git("ls-files", "--unmerged")
    assert not shop.git("diff")  # all is staged


def test_a_part_whose_file_came_to_be_in_a_merge_is_merged_too(slipway, tmp_path):
    """Neither side of the merge has the file as the project got it."""
    shop = slipway.new(tmp_path / "shop", "celery")
    main = slipway.git("branch", "--show-current").strip()
    slipway.git("switch", "-q", "-c", "side")
    path = "workflows/worker.py"
    text = lines(path).splitlines(keepends=True)
    slipway.write(**{f"template/{path}": "".join(["first\n", *text])})
    slipway.commit()
    slipway.git("switch", "-q", main)
    slipway.write(**{f"template/{path}": "".join([*text, "last\n"])})
    slipway.commit()
    slipway.git("merge", "-q", "--no-edit", "side")
    slipway("new", shop, "add-temporal")
    shop.commit()
    slipway.edit(f"template/{path}")
    slipway.commit()

    said = slipway.update(shop)

    assert "onflict" not in said
    assert shop.path(path).read_text() == "".join(["first\n", *text, "last\n", "mine\n"])


def test_the_second_update_starts_where_the_first_ended(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop", "celery")
    change(slipway, "home/page1.py")
    second = slipway.commit()
    assert "was made from" in slipway.update(shop)
    assert shop.path(".slipway/version").read_text() == f"{second}\n"
    shop.commit()
    assert "up to date" in slipway.update(shop)
    slipway.write(**{"template/home/page1.py": lines("home/page1.py", 7)})
    third = slipway.commit()
    said = slipway.update(shop)
    assert "was made from" not in said
    assert shop.path("home/page1.py").read_text() == lines("home/page1.py", 7)
    assert shop.path(".slipway/version").read_text() == f"{third}\n"


def test_a_project_that_is_new_is_up_to_date(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    assert "up to date" in slipway.update(shop)
    change(slipway, "workflows/worker.py")
    slipway.commit()
    minimal = slipway.new(tmp_path / "minimal", "minimal")
    assert "up to date" in slipway.update(minimal)
    assert not shop.changed()


@pytest.mark.parametrize("commits_later", [0, 3])
def test_the_origin_is_found_among_all_commits(commits_later, slipway, tmp_path):
    """Also by a project whose first commit holds edits and files of its own."""
    for number in range(3):
        change(slipway, f"home/page{number}.py")
        origin = slipway.commit()
    slipway("new", tmp_path / "shop", "celery")
    shop = Repository(tmp_path / "shop")
    for number in range(10, 15):
        shop.edit(f"home/page{number}.py")
    shop.write(**{"invoices/models.py": "mine\n", "uv.lock": "pruned\n"})
    shop.commit()
    for number in range(commits_later):
        slipway.write(**{f"template/home/new{number}.py": lines(f"new{number}")})
        # What the project does not have must not count.
        change(slipway, "workflows/worker.py")
        slipway.commit()
    said = slipway.update(shop)
    if commits_later:
        assert f"was made from {origin[:7]}" in said
        assert shop.path("home/new2.py").exists()
    else:
        assert "up to date" in said


def test_the_first_commit_that_holds_slipway_counts(slipway, tmp_path):
    """A repository may begin with something else."""
    shop = Repository(tmp_path / "shop")
    shop.write(LICENSE="mine\n")
    shop.commit()
    slipway("new", tmp_path / "made")
    shutil.copytree(tmp_path / "made", shop.folder, dirs_exist_ok=True)
    shop.commit()
    change(slipway, "home/page1.py")
    slipway.commit()
    slipway.update(shop)
    assert shop.path("home/page1.py").read_text() == lines("home/page1.py", 1, 2)


def test_only_the_parts_that_are_there_are_updated(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop", "temporal", "orders")
    shop.git("rm", "-rq", "orders")
    # An app of the user's own that has the name of a part, and its empty file.
    shop.write(**{"tasks/__init__.py": "", "tasks/models.py": "mine\n"})
    shop.commit()
    change(slipway, "orders/models.py", "tasks/worker.py", "workflows/worker.py")
    for path in ("orders/new.py", "tasks/models.py", "config/celery_more.py"):
        slipway.write(**{f"template/{path}": lines(path)})
    slipway.commit()
    slipway.update(shop)
    assert shop.path("workflows/worker.py").read_text() == lines("workflows/worker.py", 1, 2)
    assert not shop.path("orders").exists()
    assert [path.name for path in sorted(shop.path("tasks").iterdir())] == [
        "__init__.py",
        "models.py",
    ]
    assert shop.path("tasks/models.py").read_text() == "mine\n"


def test_a_part_that_was_added_later_is_updated_too(slipway, tmp_path):
    """From where it was when it was added: no conflict with what came before."""
    shop = slipway.new(tmp_path / "shop", "celery")
    change(slipway, "orders/models.py", "tasks/worker.py")
    slipway.commit()
    slipway("new", shop, "add-orders")
    shop.commit()
    shop.edit("orders/models.py")
    shop.commit()
    slipway.write(**{"template/orders/models.py": lines("orders/models.py", 2, 3)})
    change(slipway, "workflows/worker.py")
    slipway.commit()
    assert "onflict" not in slipway.update(shop)
    assert shop.path("orders/models.py").read_text() == lines("orders/models.py", 2, 3) + "mine\n"
    for path in ("tasks/worker.py", "workflows/worker.py"):
        assert shop.path(path).read_text() == lines(path, 1, 2)


def test_a_part_that_slipway_gives_up_stays(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop", "tour")
    slipway.git("rm", "-rq", "template/orders")
    slipway.write(**{"parts.toml": PARTS.partition("[orders]")[0]})
    change(slipway, "home/page1.py")
    slipway.commit()
    slipway.update(shop)
    assert shop.path("orders/models.py").exists()


def test_conflicts_are_marked_and_named(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    for path in ("home/page1.py", "pyproject.toml"):
        text = shop.path(path).read_text().splitlines(keepends=True)
        shop.write(**{path: "".join([text[0], "mine\n", *text[2:]])})
    shop.edit("home/page2.py")
    shop.write(**{"home/added.py": "mine\n"})
    shop.git("mv", "home/page3.py", "home/my_page3.py")
    head = shop.commit()
    change(slipway, "home/page1.py", "home/page5.py")
    slipway.git("rm", "-q", "template/home/page2.py")
    slipway.git("mv", "template/home/page3.py", "template/home/your_page3.py")
    slipway.write(
        **{
            "template/home/added.py": "Slipway's\n",
            "template/pyproject.toml": PACKAGES.format(1).replace("project", "slipway"),
        }
    )
    slipway.commit()
    said = slipway.update(shop)
    assert "<<<<<<<" in shop.path("home/page1.py").read_text()
    conflicts = said.partition("Conflicts, which Git has marked:\n")[2]
    assert set(filter(None, shop.git("diff", "--name-only", "--diff-filter=U").split("\n"))) == {
        line.strip() for line in conflicts.splitlines() if line.startswith("  ")
    }
    assert "  home/page1.py\n" in conflicts
    assert "  home/added.py\n" in conflicts
    assert "  home/my_page3.py\n" in conflicts
    assert "git checkout --ours" in said
    assert "edited by you. They stay:\n  home/page2.py\n" in said
    assert shop.path("home/page2.py").read_text().endswith("mine\n")
    # What does not conflict has arrived, and all can be taken back.
    assert shop.path("home/page5.py").read_text() == lines("home/page5.py", 1, 2)
    assert "uv.lock is not up to date: settle the conflicts" in said
    shop.git("reset", "--hard", "-q")
    assert shop.git("rev-parse", "HEAD").strip() == head
    assert not shop.git("status", "--porcelain")


def test_the_environment_is_replaced_whole(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    shop.path("dev").chmod(0o755)
    shop.commit()
    change(slipway, "dev")
    slipway.git("mv", "template/.slipway/slipway/up.py", "template/.slipway/slipway/start.py")
    slipway.commit()
    slipway.update(shop)
    assert shop.path("dev").read_text() == lines("dev", 1, 2)
    assert os.access(shop.path("dev"), os.X_OK)
    assert set(tree(shop.path(".slipway"))) == {
        "__main__.py",
        "slipway",
        "slipway/start.py",
        "version",
    }


def test_edits_of_the_environment_are_named_and_must_be_given_up(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    shop.edit("dev")
    shop.edit("home/page1.py")
    shop.git("rm", "-q", ".slipway/__main__.py")
    shop.write(**{".slipway/slipway/mine.py": "mine\n", "devices/models.py": "mine\n"})
    shop.commit()
    change(slipway, ".slipway/slipway/up.py", "home/page1.py")
    slipway.commit()
    edited = "  .slipway/__main__.py\n  .slipway/slipway/mine.py\n  dev\n"
    refused = slipway.refuses(shop)
    assert edited in refused
    assert "--replace-edited" in refused
    assert edited in slipway.update(shop, "--replace-edited")
    assert shop.path("dev").read_text() == lines("dev")
    assert shop.path(".slipway/__main__.py").exists()
    assert shop.path(".slipway/slipway/up.py").read_text() == lines(".slipway/slipway/up.py", 1, 2)
    assert not shop.path(".slipway/slipway/mine.py").exists()
    assert shop.path("devices/models.py").exists()


@pytest.mark.parametrize("edited", [True, False])
def test_flake_lock_is_replaced_unless_it_was_edited(edited, slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    if edited:
        shop.write(**{"flake.lock": '{"nixpkgs": "mine"}\n'})
        shop.commit()
    slipway.write(**{"template/flake.lock": '{"nixpkgs": 2}\n'})
    change(slipway, "home/page1.py")
    slipway.commit()
    slipway.update(shop)
    assert shop.path("flake.lock").read_text() == '{"nixpkgs": %s}\n' % ('"mine"' if edited else 2)


def test_uv_locks_what_the_merge_has_changed(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    slipway.write(
        **{"template/pyproject.toml": PACKAGES.format(2), "template/uv.lock": "not taken\n"}
    )
    slipway.commit()
    assert "uv.lock is not up to date" not in slipway.update(shop)
    assert 'name = "project"\nversion = "2"\n' in shop.path("uv.lock").read_text()
    assert not shop.git("diff")  # it is staged


def path_without_uv(folder: Path) -> str:
    folder.mkdir()
    for program in ("git", "python3"):
        (folder / program).symlink_to(shutil.which(program))
    return str(folder)


def test_without_uv_it_says_what_to_run(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    slipway.write(**{"template/pyproject.toml": PACKAGES.format(2)})
    slipway.commit()
    said = slipway.update(shop, PATH=path_without_uv(tmp_path / "bin"))
    assert "uv is not on PATH" in said
    assert "sh dev just setup" in said


def test_a_failing_uv_does_not_undo_the_merge(slipway, tmp_path):
    shop = slipway.new(tmp_path / "shop")
    slipway.write(**{"template/pyproject.toml": "[project]\nname = 1\n"})
    slipway.commit()
    said = slipway.update(shop)
    assert "uv lock failed" in said
    assert "sh dev just setup" in said
    assert shop.path("pyproject.toml").read_text() == "[project]\nname = 1\n"


def test_git_is_left_as_it_was(slipway, tmp_path):
    """No hook, no key, no identity, no name for what was merged, nothing in this clone."""
    shop = slipway.new(tmp_path / "shop")
    change(slipway, "home/page1.py")
    head = slipway.commit()
    for name in ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit", "post-checkout"):
        hook = shop.path(f".git/hooks/{name}")
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook\nexit 1\n")
        hook.chmod(0o755)
    for name, value in {
        "commit.gpgSign": "true",
        "gpg.program": "false",
        "user.useConfigOnly": "true",
        "merge.renames": "false",
    }.items():
        shop.git("config", name, value)
    refs = [r.git("for-each-ref") + r.git("reflog") for r in (shop, slipway)]
    slipway.update(shop, GIT_DIR="/nowhere", GIT_INDEX_FILE="/nowhere")
    assert [r.git("for-each-ref") + r.git("reflog") for r in (shop, slipway)] == refs
    assert not (tmp_path / "hook").exists()
    assert not [name for name in os.listdir(shop.path(".git")) if name.endswith("_HEAD")]
    assert not slipway.git("status", "--porcelain")
    # Git proposes a message for the commit.
    assert head[:12] in shop.path(".git/MERGE_MSG").read_text()


def test_a_project_below_its_repository(slipway, tmp_path):
    house = Repository(tmp_path / "house")
    house.write(**{"front/index.html": "mine\n"})
    slipway("new", tmp_path / "house" / "shop", "celery")
    house.commit()
    change(slipway, "home/page1.py", "tasks/worker.py")
    slipway.git("mv", "template/home/page2.py", "template/home/two.py")
    slipway.commit()
    slipway.update(house.path("shop"))
    changed = house.git("diff", "--cached", "--name-only").split()
    assert changed == [
        *("shop/.slipway/version", "shop/home/page1.py", "shop/home/two.py"),
        "shop/tasks/worker.py",
    ]


@pytest.fixture
def newer(slipway, tmp_path) -> Repository:
    """A project that has an update before it."""
    shop = slipway.new(tmp_path / "shop")
    change(slipway, "home/page1.py")
    slipway.commit()
    return shop


def test_uncommitted_changes_are_refused(slipway, newer):
    newer.edit("home/page9.py")
    assert "uncommitted changes" in slipway.refuses(newer)
    newer.git("add", ".")
    assert "home/page9.py" in slipway.refuses(newer)


def test_files_that_git_does_not_know_stay(slipway, newer):
    newer.write(**{"notes.txt": "mine\n", "home/more.py": "mine\n"})
    slipway.update(newer)
    newer.git("reset", "-q", "--hard")
    slipway.write(**{"template/home/more.py": lines("more")})
    slipway.commit()
    assert "  home/more.py\n" in slipway.refuses(newer)
    assert newer.path("notes.txt").read_text() == "mine\n"


def test_no_git_is_refused(slipway, newer, tmp_path):
    shutil.rmtree(newer.path(".git"))
    assert "Git" in slipway.refuses(newer)
    newer.git("init", "--quiet")
    assert "Nothing is committed" in slipway.refuses(newer)


def test_what_is_no_project_is_refused(slipway, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no manage.py" in slipway.refuses(tmp_path / "empty")
    assert "inside of this repository" in slipway.refuses(slipway.path("template"))


def test_a_shallow_clone_of_slipway_is_refused(slipway, newer, tmp_path):
    run("git", "clone", "-q", "--depth=1", f"file://{slipway.folder}", "shallow", cwd=tmp_path)
    assert "fetch --unshallow" in Slipway(tmp_path / "shallow").refuses(newer)


def test_a_slipway_without_git_is_refused(slipway, newer):
    shutil.rmtree(slipway.path(".git"))
    assert "is no clone" in slipway.refuses(newer)


def test_a_shallow_project_needs_to_say_its_origin(slipway, newer, tmp_path):
    origin = slipway.git("rev-parse", "HEAD^").strip()
    run("git", "clone", "-q", "--depth=1", f"file://{newer.folder}", "shallow", cwd=tmp_path)
    assert "--from" in slipway.refuses(tmp_path / "shallow")
    slipway.update(tmp_path / "shallow", "--from", origin)
    assert (tmp_path / "shallow/home/page1.py").read_text() == lines("home/page1.py", 1, 2)


def test_a_project_of_another_making_is_refused(slipway, tmp_path):
    shop = Repository(tmp_path / "shop")
    shop.write(**{"manage.py": "mine\n"})
    shop.commit()
    assert "not made by Slipway" in slipway.refuses(shop)


def test_a_poor_match_is_refused_unless_the_user_knows_better(slipway, tmp_path):
    slipway("new", tmp_path / "shop")
    shop = Repository(tmp_path / "shop")
    for number in range(30):
        shop.edit(f"home/page{number}.py")
    shop.commit()
    origin = slipway.git("rev-parse", "HEAD").strip()
    change(slipway, "home/page1.py", "manage.py")
    slipway.commit()
    refused = slipway.refuses(shop)
    assert origin[:7] in refused
    assert "--from COMMIT" in refused
    slipway.update(shop, "--from", origin[:10])
    assert shop.path("home/page1.py").read_text() == lines("home/page1.py", 1, 2) + "mine\n"


def test_an_unknown_origin_is_refused(slipway, newer):
    assert "no commit nonsense" in slipway.refuses(newer, "--from", "nonsense")
    newer.write(**{".slipway/version": f"{'1' * 40}\n"})
    newer.commit()
    assert "git pull" in slipway.refuses(newer)


def test_a_project_that_is_ahead_is_refused(slipway, newer):
    slipway.update(newer)
    newer.commit()
    slipway.git("reset", "-q", "--hard", "HEAD^")
    assert "git pull" in slipway.refuses(newer)


def test_an_origin_older_than_parts_is_refused(slipway, newer):
    slipway.git("rm", "-q", "parts.toml")
    old = slipway.commit()
    slipway.write(**{"parts.toml": PARTS})
    slipway.commit()
    assert "no parts.toml" in slipway.refuses(newer, "--from", old)


def test_what_is_not_committed_in_slipway_is_left_out(slipway, newer):
    change(slipway, "home/page2.py")
    assert "uncommitted changes" in slipway.update(newer)
    assert newer.path("home/page1.py").read_text() == lines("home/page1.py", 1, 2)
    assert newer.path("home/page2.py").read_text() == lines("home/page2.py")


def test_an_update_that_is_cut_short_says_how_to_go_back(slipway, newer, tmp_path):
    """Here uv is what never ends."""
    path = path_without_uv(tmp_path / "bin")
    (tmp_path / "bin" / "uv").write_text(f"#!/bin/sh\n: > {tmp_path}/called\nexec sleep 60\n")
    (tmp_path / "bin" / "uv").chmod(0o755)
    (tmp_path / "bin" / "sleep").symlink_to(shutil.which("sleep"))
    with subprocess.Popen(
        [sys.executable, slipway.folder / "update.py", newer.folder],
        env={**os.environ, **NOBODY, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as update:
        give_up = time.monotonic() + 30
        while not (tmp_path / "called").exists():
            assert time.monotonic() < give_up
            time.sleep(0.05)
        os.killpg(update.pid, 2)
        said = update.communicate()[1]
    assert update.returncode != 0
    assert f"git -C {newer.folder} reset --hard" in said
    newer.git("reset", "--hard", "-q")
    assert not newer.git("status", "--porcelain")
