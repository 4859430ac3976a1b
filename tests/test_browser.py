"""People with a browser use a new project: each story of visitor.py, with the whole stack."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator

import pytest
from conftest import ROOT, run

pytestmark = pytest.mark.slow


APP = """
from django.apps import AppConfig

class ChoresConfig(AppConfig):
    name = "chores"
"""
CHORE = """
from pathlib import Path
from celery import shared_task

HERE = Path(__file__).parent

@shared_task
def deliver():
    if not (HERE / "repaired").exists():
        raise ValueError("it is broken")
    with (HERE / "done").open("a") as file:
        file.write("done ")
"""


@pytest.fixture(scope="module")
def visitor(make) -> Iterator[Callable[[str], None]]:
    """A function that has the visitor live through a story, and fails with the story."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        missing = "Chromium is not on PATH (Debian: apt install chromium)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    password = secrets.token_urlsafe()
    project = make("tour", DJANGO_SUPERUSER_PASSWORD=password)
    folder = project.folder
    (folder / "chores").mkdir()
    (folder / "chores" / "__init__.py").touch()
    (folder / "chores" / "apps.py").write_text(APP)
    (folder / "chores" / "tasks.py").write_text(CHORE)
    environment = {
        "SITE": f"http://localhost:{project.environment['DJANGO_PORT']}",
        "STAFF_PASSWORD": password,
        "CHROMIUM": chromium,
        "REPAIRED": str(folder / "chores" / "repaired"),
    }

    def live_through(story: str) -> None:
        script = ROOT / "tests" / "visitor.py"
        run("uv", "run", "--no-project", "--script", script, story, cwd=folder, **environment)

    with project.stack():
        superuser = ("--email", "grace@example.com", "--name", "Grace")
        project.dev("just", "manage", "createsuperuser", "--no-input", *superuser)
        publish = "from chores.tasks import deliver; deliver.delay()"
        project.dev("just", "manage", "shell", "-c", publish)
        yield live_through


def test_a_visitor_signs_up_and_gets_both_mails(visitor):
    visitor("sign_up")


def test_orders_are_shipped_or_cancelled_before_ones_eyes(visitor):
    visitor("orders")


def test_staff_approve_what_somebody_asked_for(visitor):
    visitor("approval")


def test_staff_write_to_everybody(visitor):
    visitor("announcement")


def test_who_forgot_the_password_gets_another(visitor):
    visitor("password")


def test_staff_wait_for_a_report(visitor):
    visitor("report")


def test_staff_run_a_failed_task_again(visitor, shared):
    visitor("failed_work")
    assert (shared / "shop" / "chores" / "done").read_text() == "done "


def test_a_log_is_read_and_processes_restart(visitor):
    visitor("restart")
