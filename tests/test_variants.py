"""What `nix flake init` and `just new` lay down, and what they refuse."""

import re
import shutil
import tomllib

import pytest
from conftest import VARIANTS, commit, run, tree

BACKENDS = {"celery", "temporal"}
CHOSEN = {"default": BACKENDS, "celery": {"celery"}, "temporal": {"temporal"}, "minimal": set()}


@pytest.fixture(scope="session")
def files_of(source):
    """The whole template, and below a backend's name its own files and folders."""
    whole = tree(source / "template")
    backends = tomllib.loads((source / "backends.toml").read_text())
    assert backends.keys() == BACKENDS
    own = {
        name: {
            path: content
            for path, content in whole.items()
            if any(path == file or path.startswith(f"{file}/") for file in backend["files"])
        }
        for name, backend in backends.items()
    }
    return {"": whole, **own}


def without(files_of, chosen):
    left_out = {path for name in BACKENDS - chosen for path in files_of[name]}
    return {path: content for path, content in files_of[""].items() if path not in left_out}


def as_addition(files_of, name):
    own = files_of[name]
    folders = {path.rpartition("/")[0] for path in own} - {""}
    return own | dict.fromkeys(folders)


@pytest.mark.parametrize("variant", VARIANTS)
def test_nix_lays_down_the_template_without_the_other_backends(variant, files_of, init, tmp_path):
    init(variant, tmp_path)
    assert tree(tmp_path) == without(files_of, CHOSEN[variant])


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_nix_the_tree_is_the_same(variant, init, new, tmp_path):
    init(variant, tmp_path / "nix")
    new("plain", variant, cwd=tmp_path)
    assert tree(tmp_path / "plain") == tree(tmp_path / "nix")
    modes = [
        {
            path.relative_to(tmp_path / way): path.stat().st_mode
            for path in (tmp_path / way).rglob("*")
        }
        for way in ("nix", "plain")
    ]
    assert modes[0] == modes[1]


# Lock files: tools/ locks what process-compose is built of, and the first start prunes uv.lock.
LOCKS = {"uv.lock", "tools/go.sum", "tools/uv.lock"}
TRACES = {
    "celery": r"celery|redis|valkey|flower|\b(6379|5555)\b",
    "temporal": r"temporal|\b(7233|8080)\b",
}


@pytest.mark.parametrize("variant", ["celery", "temporal", "minimal"])
def test_nothing_speaks_of_an_absent_backend(variant, new, tmp_path):
    """But the one section of the README that tells how to add one."""
    new("shop", variant, cwd=tmp_path)
    traces = "|".join(TRACES[name] for name in BACKENDS - CHOSEN[variant])
    found = set()
    for path, content in tree(tmp_path / "shop").items():
        text = (content or b"").decode(errors="replace")
        if path == "README.md":
            text = re.sub(
                r"^## Add or remove a backend\n.*?(?=^## |\Z)", "", text, flags=re.M | re.S
            )
        if path not in LOCKS and re.search(traces, f"{path}\n{text}", re.IGNORECASE):
            found.add(path)
    assert not found


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_an_addition_is_one_backend_alone(backend, files_of, init, tmp_path):
    init(f"add-{backend}", tmp_path)
    assert tree(tmp_path) == as_addition(files_of, backend)


def test_the_default_variant_needs_no_name(nix, new, source, files_of, tmp_path):
    (tmp_path / "nix").mkdir()
    nix("flake", "init", "-t", source, cwd=tmp_path / "nix")
    new("plain", cwd=tmp_path)
    assert tree(tmp_path / "nix") == tree(tmp_path / "plain") == files_of[""]


def test_a_repository_that_was_made_first_knows_the_files(init, new, tmp_path):
    for way in ("nix", "plain"):
        run("git", "init", "--quiet", way, cwd=tmp_path)
    init("celery", tmp_path / "nix")
    new("plain", "celery", cwd=tmp_path)
    status = run("git", "status", "--short", cwd=tmp_path / "nix").stdout
    assert status
    assert "??" not in status  # or `nix develop` would not see them
    assert tree(tmp_path / "nix") == tree(tmp_path / "plain")


def test_what_a_run_leaves_behind_is_not_laid_down(source, nix, files_of, tmp_path):
    """Without Git, as in an unpacked archive, where the project has run."""
    archive = tmp_path / "archive"
    shutil.copytree(source, archive, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for name in (
        ".venv/bin/python",
        ".data/db.sqlite3",
        ".tools/bin/uv",
        ".env",
        "gone/__pycache__/x",
    ):
        path = archive / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "nix").mkdir()
    nix("flake", "init", "-t", f"path:{archive}#default", cwd=tmp_path / "nix")
    run("python3", archive / "generate.py", "plain", cwd=tmp_path)
    assert tree(tmp_path / "nix") == files_of[""]
    assert tree(tmp_path / "plain") == files_of[""]


def test_files_that_git_does_not_know_are_not_laid_down(source, files_of, tmp_path):
    shutil.copytree(source, tmp_path / "clone", symlinks=True)
    (tmp_path / "clone" / "template" / "scratch.py").touch()
    run("python3", tmp_path / "clone" / "generate.py", "shop", cwd=tmp_path)
    assert tree(tmp_path / "shop") == files_of[""]


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_backend_comes_later_whatever_the_user_has_changed(
    backend, init, new, files_of, tmp_path
):
    (other,) = BACKENDS - {backend}
    for way in ("nix", "plain"):
        project = tmp_path / way
        new(project, other, cwd=tmp_path)
        for shared in (
            "README.md",
            "config/settings/base.py",
            "flake.lock",
            "pyproject.toml",
            "uv.lock",
        ):
            (project / shared).write_text("mine\n")
        commit(project)
    init(f"add-{backend}", tmp_path / "nix")
    new("plain", f"add-{backend}", cwd=tmp_path)
    assert tree(tmp_path / "nix") == tree(tmp_path / "plain")
    assert tree(tmp_path / "nix").keys() == files_of[""].keys()
    assert (tmp_path / "nix" / "README.md").read_text() == "mine\n"


def test_adding_again_skips_what_is_the_same(init, new, tmp_path):
    new("shop", "default", cwd=tmp_path)
    before = tree(tmp_path / "shop")
    init("add-celery", tmp_path / "shop")
    again = new("shop", "add-celery", cwd=tmp_path)
    assert "already" in again.stdout
    assert tree(tmp_path / "shop") == before


def test_a_changed_file_is_not_overwritten(init, new, tmp_path):
    new("shop", "celery", cwd=tmp_path)
    mine = tmp_path / "shop" / "services" / "temporal.yaml"
    mine.write_text("mine\n")
    by_nix = init("add-temporal", tmp_path / "shop", ok=False)
    assert by_nix.returncode != 0
    assert "services/temporal.yaml" in by_nix.stderr
    assert mine.read_text() == "mine\n"


def test_without_nix_a_changed_file_stops_the_whole_addition(new, tmp_path):
    new("shop", "celery", cwd=tmp_path)
    (tmp_path / "shop" / "services" / "temporal.yaml").write_text("mine\n")
    before = tree(tmp_path / "shop")
    refused = new("shop", "add-temporal", cwd=tmp_path, ok=False)
    assert refused.returncode != 0
    assert "services/temporal.yaml" in refused.stderr
    assert tree(tmp_path / "shop") == before


def refusal(done):
    """The message of a refused command: one that a person can read."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_unknown_variant_is_named_with_the_known_ones(new, tmp_path):
    message = refusal(new("shop", "dramatiq", cwd=tmp_path, ok=False))
    assert "dramatiq" in message
    assert all(variant in message for variant in (*VARIANTS, "add-celery", "add-temporal"))
    assert not (tmp_path / "shop").exists()


def test_nix_names_an_unknown_variant(init, tmp_path):
    assert "dramatiq" in refusal(init("dramatiq", tmp_path, ok=False))
    assert tree(tmp_path) == {}


def test_a_target_that_is_not_empty_is_left_alone(new, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "notes.txt").write_text("mine\n")
    assert "shop is not empty" in refusal(new("shop", cwd=tmp_path, ok=False))
    assert tree(tmp_path / "shop") == {"notes.txt": b"mine\n"}


def test_a_target_that_is_a_file_is_left_alone(new, tmp_path):
    (tmp_path / "shop").write_text("mine\n")
    assert "shop is a file" in refusal(new("shop", cwd=tmp_path, ok=False))
    assert (tmp_path / "shop").read_text() == "mine\n"


def test_a_target_inside_this_repository_is_refused(new, source):
    before = tree(source)
    assert "inside of this repository" in refusal(new("template/shop", cwd=source, ok=False))
    assert "inside of this repository" in refusal(new(source, "add-celery", cwd=source, ok=False))
    assert tree(source) == before


def test_a_backend_needs_a_project(new, tmp_path):
    assert "manage.py" in refusal(new(tmp_path / "shop", "add-celery", cwd=tmp_path, ok=False))
    assert not (tmp_path / "shop").exists()


def test_git_that_refuses_is_quoted(source, tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(source, clone, symlinks=True)
    (clone / ".git" / "index").write_text("broken")
    done = run("python3", clone / "generate.py", "shop", cwd=tmp_path, ok=False)
    assert "index" in refusal(done)
    assert not (tmp_path / "shop").exists()


def test_half_a_project_is_taken_back(new, source, tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(source, clone, symlinks=True)
    last = max(path for path in clone.joinpath("template").rglob("*") if path.is_file())
    last.unlink()
    last.mkdir()  # cannot be copied as a file
    (tmp_path / "shop").mkdir()
    done = run("python3", clone / "generate.py", "shop", cwd=tmp_path, ok=False)
    assert "Nothing was written" in refusal(done)
    assert tree(tmp_path / "shop") == {}
