"""What `nix flake init` and `just new` write, and what they refuse."""

import ast
import re
import shutil
import tomllib

import pytest
from conftest import BACKENDS, DEFAULT, EXAMPLES, PARTS, VARIANTS, commit, run, tree

CHOSEN = {
    "default": DEFAULT,
    **{name: {name} for name in BACKENDS},
    "minimal": set(),
    "tour": PARTS,
}
# Every example alone, with the backend that comes along.
ALONE = {name: {name, backend} for name, backend in EXAMPLES.items()}


@pytest.fixture(scope="session")
def files_of(source):
    """The whole template, and below a part's name its own files and folders."""
    whole = tree(source / "template")
    parts = tomllib.loads((source / "parts.toml").read_text())
    assert parts.keys() == PARTS
    assert {name: part["needs"] for name, part in parts.items() if part["needs"]} == {
        name: [backend] for name, backend in EXAMPLES.items()
    }
    assert {name for name, part in parts.items() if part["kind"] == "backend"} == BACKENDS
    # A list that names a file which has moved would leave it to everybody.
    assert all(file in whole for part in parts.values() for file in part["files"])
    own = {
        name: {
            path: content
            for path, content in whole.items()
            if any(path == file or path.startswith(f"{file}/") for file in part["files"])
        }
        for name, part in parts.items()
    }
    return {"": whole, **own}


def without(files_of, chosen):
    left_out = {path for name in PARTS - chosen for path in files_of[name]}
    kept = {path: content for path, content in files_of[""].items() if path not in left_out}
    # A folder in which only absent parts had files is not written.
    folders = {
        folder for path, content in kept.items() if content is not None for folder in above(path)
    }
    return {path: text for path, text in kept.items() if text is not None or path in folders}


def above(path):
    names = path.split("/")[:-1]
    return {"/".join(names[: depth + 1]) for depth in range(len(names))}


def as_addition(files_of, name):
    own = files_of[name]
    return own | dict.fromkeys(
        folder for path in own for folder in above(path) if folder not in own
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_nix_writes_the_template_without_the_other_parts(variant, files_of, init, tmp_path):
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


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_brings_its_backend_and_says_so(example, new, files_of, tmp_path):
    said = new("shop", example, cwd=tmp_path).stdout
    assert tree(tmp_path / "shop") == without(files_of, ALONE[example])
    assert f"{EXAMPLES[example].title()} came along, for {example.title()}." in said


def test_any_parts_make_a_project(new, files_of, tmp_path):
    said = new("shop", "celery", "minimal", "orders", "exports", cwd=tmp_path).stdout
    assert tree(tmp_path / "shop") == without(files_of, {"celery", "temporal", "orders", "exports"})
    assert "Temporal came along, for Exports, Orders." in said
    assert "Celery" not in said
    said = new("more", "default", "reports", cwd=tmp_path).stdout
    assert tree(tmp_path / "more") == without(files_of, DEFAULT | {"reports"})
    assert "came along" not in said


# Locks: what the tools are built of, and packages, which the first start prunes.
LOCKS = re.compile(r"(^|/)(uv\.lock|flake\.lock)$")
TRACES = {
    "celery": r"celery|redis|valkey|flower|\b(6379|5555)\b",
    "temporal": r"temporal|\b(7233|8080)\b",
    # But for the `import?` of its recipes, which tolerates a missing file as `members` do.
    "telemetry": r"OTEL_|TELEMETRY_|opentelemetry[-.]|(?<!import\? ')\btelemetry/",
    # But for what a user of another server sees: the form of DATABASE_URL, and what it needs.
    "postgres": r"psycopg(?!\b['\"[])|POSTGRES_|\bpostgres[/.]|/postgres\b|(?<!:)\b5432\b",
}


@pytest.fixture(scope="session")
def traces(files_of):
    """What gives each part away. The name of an example is a word of English, too."""
    patterns = {name: rf"(?i:{trace})" for name, trace in TRACES.items()}
    classes = {name: compound_names_of_classes(files_of[name]) for name in EXAMPLES}
    for name in EXAMPLES:
        own = classes[name].difference(*(classes[other] for other in EXAMPLES if other != name))
        assert own
        code = rf"[\"'`/.-]{name}\b|\b{name}[\"'`/_]|\b{name}\.\w|import {name}\b"
        patterns[name] = "|".join([code, *(rf"\b{defined}\b" for defined in sorted(own))])
    return {name: re.compile(pattern) for name, pattern in patterns.items()}


def compound_names_of_classes(files):
    texts = [text for path, text in files.items() if path.endswith(".py")]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    names = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    return {name for name in names if re.fullmatch(r"([A-Z][a-z]+){2,}", name)}


@pytest.mark.parametrize("variant", ["default", *sorted(BACKENDS), "minimal", *EXAMPLES])
def test_nothing_speaks_of_an_absent_part(variant, new, traces, tmp_path):
    """But the one section of the README that tells how to add one."""
    new("shop", variant, cwd=tmp_path)
    absent = PARTS - {**CHOSEN, **ALONE}[variant]
    found = []
    for path, content in tree(tmp_path / "shop").items():
        text = (content or b"").decode(errors="replace")
        if path == "README.md":
            text, sections = re.subn(
                r"^## Add or remove a part\n.*?(?=^## |\Z)", "", text, flags=re.M | re.S
            )
            assert sections == 1
        # It follows work through the backends that are there.
        if not LOCKS.search(path) and not path.startswith("telemetry/"):
            hits = {name: traces[name].search(f"{path}\n{text}") for name in absent}
            found += [f"{path}: {name}: {hit[0]}" for name, hit in hits.items() if hit]
    assert not found


# How much a user gets at most: files, and lines, outside of .slipway/ and inside.
LIMITS = {
    "minimal": (70, None),
    "celery": (92, None),
    "temporal": (112, None),
    "default": (136, 7500),
}
LIMITS_OF_TOOLS = (28, 2200)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_project_is_small(variant, new, capsys, tmp_path):
    """Without what nobody reads: empty files, locks and recorded histories."""
    new("shop", variant, cwd=tmp_path)
    texts = {path: text for path, text in tree(tmp_path / "shop").items() if text}
    counted = {
        path: text.count(b"\n")
        for path, text in texts.items()
        if not re.search(r"(^|/)(uv|flake|devcontainer-lock)\.(lock|json)$|/histories/", path)
    }
    inside = [lines for path, lines in counted.items() if path.startswith(".slipway/")]
    outside = [lines for path, lines in counted.items() if not path.startswith(".slipway/")]
    with capsys.disabled():
        print(
            f"\n{variant}: {len(outside)} files, {sum(outside)} lines; "
            f".slipway/: {len(inside)} files, {sum(inside)} lines"
        )
    files, lines = LIMITS.get(variant, (None, None))
    assert files is None or len(outside) <= files
    assert lines is None or sum(outside) <= lines
    assert len(inside) <= LIMITS_OF_TOOLS[0]
    assert sum(inside) <= LIMITS_OF_TOOLS[1]


@pytest.mark.parametrize("part", sorted(PARTS))
def test_an_addition_is_one_part_alone(part, files_of, init, tmp_path):
    init(f"add-{part}", tmp_path)
    assert tree(tmp_path) == as_addition(files_of, part)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_names_its_backend_first(example, init, tmp_path):
    said = init(f"add-{example}", tmp_path).stderr
    needed = said.index(f"nix flake init -t <slipway>#add-{EXAMPLES[example]}")
    assert needed < said.index(f"{example.title()} is here: {example}")
    said = init(f"add-{EXAMPLES[example]}", tmp_path).stderr
    assert "flake init" not in said
    assert "tasks" in said or "workflows" in said


def test_the_default_variant_needs_no_name(nix, new, source, files_of, tmp_path):
    (tmp_path / "nix").mkdir()
    nix("flake", "init", "-t", source, cwd=tmp_path / "nix")
    new("plain", cwd=tmp_path)
    assert tree(tmp_path / "nix") == tree(tmp_path / "plain") == without(files_of, DEFAULT)


def test_a_repository_that_was_made_first_knows_the_files(init, new, tmp_path):
    for way in ("nix", "plain"):
        run("git", "init", "--quiet", way, cwd=tmp_path)
    init("celery", tmp_path / "nix")
    new("plain", "celery", cwd=tmp_path)
    status = run("git", "status", "--short", cwd=tmp_path / "nix").stdout
    assert status
    assert "??" not in status  # or `nix develop` would not see them
    assert tree(tmp_path / "nix") == tree(tmp_path / "plain")


def test_what_a_run_leaves_behind_is_not_written(source, nix, files_of, tmp_path):
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
    nix("flake", "init", "-t", f"path:{archive}#tour", cwd=tmp_path / "nix")
    run("python3", archive / "generate.py", "plain", "tour", cwd=tmp_path)
    assert tree(tmp_path / "nix") == files_of[""]
    assert tree(tmp_path / "plain") == files_of[""]


def test_files_that_git_does_not_know_are_not_written(source, files_of, tmp_path):
    shutil.copytree(source, tmp_path / "clone", symlinks=True)
    (tmp_path / "clone" / "template" / "scratch.py").touch()
    run("python3", tmp_path / "clone" / "generate.py", "shop", "tour", cwd=tmp_path)
    assert tree(tmp_path / "shop") == files_of[""]


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_backend_comes_later_whatever_the_user_has_changed(
    backend, init, new, files_of, tmp_path
):
    other = "temporal" if backend == "celery" else "celery"
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
    assert tree(tmp_path / "nix").keys() == without(files_of, {other, backend}).keys()
    assert (tmp_path / "nix" / "README.md").read_text() == "mine\n"


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_that_is_added_brings_its_backend_if_it_is_missing(
    example, new, files_of, tmp_path
):
    backend = EXAMPLES[example]
    for name in ("with", "without"):
        new(name, backend if name == "with" else "minimal", cwd=tmp_path)
    # A backend that is there is the user's own.
    for path in ("README.md", "__init__.py"):
        file = next(tmp_path.glob(f"with/{'tasks' if backend == 'celery' else 'workflows'}/{path}"))
        file.write_text("# mine\n")
    before = tree(tmp_path / "with")
    assert "came along" not in new("with", f"add-{example}", cwd=tmp_path).stdout
    assert tree(tmp_path / "with") == before | files_of[example]
    said = new("without", f"add-{example}", cwd=tmp_path).stdout
    assert tree(tmp_path / "without") == without(files_of, ALONE[example])
    assert f"{backend.title()} came along, for {example.title()}." in said


def test_several_parts_are_added_at_once(new, files_of, tmp_path):
    new("shop", "celery", cwd=tmp_path)
    new("shop", "add-reports", "add-orders", cwd=tmp_path)
    chosen = {"celery", "temporal", "reports", "orders"}
    assert tree(tmp_path / "shop") == without(files_of, chosen)


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


@pytest.mark.parametrize("names", [["dramatiq"], ["celery", "dramatiq"], ["add-dramatiq"]])
def test_an_unknown_part_is_named_with_the_known_ones(names, new, tmp_path):
    message = refusal(new("shop", *names, cwd=tmp_path, ok=False))
    assert f"no part {names[-1]}." in message
    known = (*VARIANTS, *PARTS, *(f"add-{name}" for name in PARTS))
    assert all(re.search(rf"(?<![\w-]){name}\b", message) for name in known)
    assert not (tmp_path / "shop").exists()


def test_a_new_project_and_an_addition_exclude_each_other(new, tmp_path):
    new("shop", "celery", cwd=tmp_path)
    before = tree(tmp_path / "shop")
    assert "add-…" in refusal(new("shop", "celery", "add-orders", cwd=tmp_path, ok=False))
    assert tree(tmp_path / "shop") == before


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


def test_a_part_needs_a_project(new, tmp_path):
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
