"""Starting and stopping, and what may be in the way."""

import contextlib
import fcntl
import os
import pty
import shutil
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest

from environment.small_project import UV, WEB, wait_for
from slipway import ports

# Has every program of Python's see a disk that is full.
FULL = """\
import shutil

shutil.disk_usage = lambda _: shutil._ntuple_diskusage(1 << 40, 1 << 40, 3 << 20)
"""


def test_from_up_to_down_and_nothing_is_left(project):
    started = project.ok("up", "-D")
    assert "background" in started
    assert "web last" in project.ok("wait") or project.status()["web"]["ready"]
    web = project.status()["web"]
    assert (web["status"], web["ready"], web["restarts"]) == ("Running", True, 0)
    assert not ports.is_free(project.port)

    assert "Stopped" in project.ok("down")
    assert ports.is_free(project.port)
    assert project.processes() == {}
    assert project.ok("down") == "Nothing runs.\n"
    assert "Nothing runs" in project.refused("wait")
    assert "Nothing runs" in project.refused("status")


def test_a_whole_process_group_goes(project):
    project.services(
        "  family:\n"
        "    command: sleep 1000 & sleep 1000 & wait\n"
        "    shutdown: {timeout_seconds: 5}\n"
    )
    project.ok("up", "-D")
    wait_for(lambda: sum("sleep 1000" in c for c in project.processes().values()) >= 2)
    project.ok("down")
    assert project.processes() == {}


def test_without_a_terminal_it_runs_plainly_until_it_is_told_to_stop(project):
    server = subprocess.Popen(
        project.command("up"), cwd=project.root, env=project.env, stdout=subprocess.PIPE, text=True
    )
    project_ready = wait_for(lambda: project.run("wait").returncode == 0)
    assert project_ready
    server.terminate()
    output, _ = server.communicate(timeout=15)
    assert server.returncode == 0
    assert "Serving HTTP" in output  # the processes' output, line by line
    assert project.processes() == {}


def test_down_ends_it_in_another_terminal(project):
    """There process-compose shows itself, and would stay when all it started has ended."""
    ours, theirs = pty.openpty()
    server = subprocess.Popen(
        project.command("up"),
        cwd=project.root,
        env=project.env,
        stdin=theirs,
        stdout=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    threading.Thread(target=drain, args=[ours], daemon=True).start()
    wait_for(lambda: project.run("wait").returncode == 0)
    start = time.monotonic()
    said = project.ok("down")
    assert said.startswith("Stopped in")
    assert time.monotonic() - start < 15
    assert server.wait(timeout=15) == 0
    assert project.processes() == {}


def drain(terminal: int) -> None:
    """Read what is shown, or who shows it waits. It ends when the other side is closed."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 4096):
            pass
    os.close(terminal)


def test_up_twice_says_that_it_runs_and_where(project):
    project.ok("up", "-D")
    said = project.refused("up", "-D")
    assert "runs already" in said
    assert str(project.root) in said
    assert str(project.pid("process-compose")) in said


def test_two_at_the_same_time_start_one_stack(project):
    project.ok("setup")
    both = [
        subprocess.Popen(
            project.command("up", "-D"),
            cwd=project.root,
            env=project.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=30)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    project.ok("wait")
    assert project.pid("process-compose")


def test_two_projects_side_by_side(make_project):
    shop, bank = make_project("shop"), make_project("bank")
    for project in (shop, bank):
        project.ok("up", "-D")
        project.ok("wait")
    shop.ok("down")
    assert bank.status()["web"]["ready"]
    assert not ports.is_free(bank.port)


def test_only_what_is_named_is_started(project):
    project.services(f"{WEB}  other:\n    command: sleep 1000\n")
    project.ok("up", "-D", "web")
    project.ok("wait")
    assert project.status()["other"]["status"] == "Disabled"


def test_an_unknown_name_is_refused_before_anything_is_installed(project):
    project.services(f"{WEB}  other:\n    command: sleep 1000\n")
    said = project.refused("up", "-D", "webb")
    assert said == "There is no process webb. Known are: other, web\n"
    assert not (project.root / ".venv").exists()


def test_a_malformed_setting_is_said_in_its_own_words(project):
    project.write(
        "config/settings.py",
        "class ImproperlyConfigured(Exception): pass\n"
        "raise ImproperlyConfigured('DATABASE_URL=x is not an address.')\n",
    )
    assert project.refused("up", "-D").endswith("\nDATABASE_URL=x is not an address.\n")
    assert project.processes() == {}


def test_an_app_that_refuses_to_be_loaded_is_said_in_its_own_words(project):
    """As one does that needs another app: Django is asked to set up all, not for its settings."""
    project.write(
        "django/__init__.py",
        "class ImproperlyConfigured(Exception): pass\n"
        "def setup(): raise ImproperlyConfigured('orders/ needs workflows/: #add-temporal')\n",
    )
    said = project.refused("up", "-D")
    assert said.endswith("\norders/ needs workflows/: #add-temporal\n")
    assert "Traceback" not in said
    assert project.processes() == {}
    assert "!!   orders/ needs workflows/: #add-temporal\n" in project.refused("doctor")


def test_other_settings_are_asked_where_the_environment_names_them(project):
    project.write("config/other.py", "raise SystemExit('these')\n")
    assert "these" in project.refused("up", "-D", DJANGO_SETTINGS_MODULE="config.other")


def test_processes_are_told_that_this_is_development(project):
    """Also from a terminal that is in no environment, or in another project's."""
    project.services('  show:\n    command: echo "root $$DEV_ROOT" >said; exec sleep 1000\n')
    project.ok("up", "-D", DEV_ROOT="/other")
    said = project.root / "said"
    assert wait_for(lambda: said.exists() and said.read_text()) == f"root {project.root}\n"


def test_it_runs_from_every_folder(project, tmp_path):
    project.env["PWD"] = str(tmp_path)
    command = [project.command()[0], os.path.relpath(project.root / ".slipway", tmp_path)]
    for arguments, code in (["up", "-D"], 0), (["wait"], 0), (["restart", "web"], 0), (["down"], 0):
        done = subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=project.env, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr


def test_a_detached_stack_that_cannot_start_says_why(project):
    project.services(WEB + "  broken: [\n")
    said = project.refused("up", "-D")
    assert "process-compose did not start" in said
    assert "app.yaml" in said


def test_a_data_folder_that_cannot_be_written_is_named(project):
    project.write("data", "a file")
    said = project.refused("up", "-D", DATA_DIR="data")
    assert f"DATA_DIR={project.root / 'data'} cannot be used" in said


def test_what_process_compose_said_before_is_not_shown(project):
    project.write(".data/logs/process-compose.log", "FTL of another day\n")
    project.services(WEB + "  broken: [\n")
    said = project.refused("up", "-D")
    assert "app.yaml" in said
    assert "another day" not in said


def without_rights(project, *arguments: str) -> str:
    """Run a command that must fail, as somebody to whom read-only files are read-only."""
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    done = subprocess.run(
        [*command, *project.command(*arguments)],
        cwd=project.root,
        env=project.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is on Linux only.")
@pytest.mark.parametrize("folder", [".data", ".data/logs"])
def test_a_read_only_data_folder_is_named(project, folder):
    project.ok("setup")
    project.write(".data/logs/process-compose.log", "FTL of another day\n")
    (project.root / folder).chmod(0o500)
    for command in (["up", "-D"], ["doctor"]):
        said = without_rights(project, *command)
        assert f"DATA_DIR={project.root / '.data'} cannot be used: Permission denied" in said
        assert "another day" not in said
    (project.root / folder).chmod(0o700)
    assert project.processes() == {}


def test_a_full_disk_is_named(project):
    project.write("sitecustomize.py", FULL)
    for command in (["up", "-D"], ["doctor"]):
        said = project.refused(*command, PYTHONPATH=str(project.root))
        assert "cannot be used: only 3 MiB are free" in said
    assert project.processes() == {}


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%41b", "a$HOME", "a b", "a'b", "a`id`b"])
def test_a_data_folder_of_any_name(project, name):
    project.ok("up", "-D", DATA_DIR=name)
    project.ok("wait", DATA_DIR=name)
    assert (project.root / name / "logs" / "web.0.log").exists()
    project.ok("down", DATA_DIR=name)
    assert not (project.root / ".data").exists()


@pytest.mark.parametrize("name", ["a\nb", 'a"b', "a\\b", "a: b", "a #b"])
def test_a_name_that_yaml_would_read_otherwise_is_refused(project, name):
    said = project.refused("up", "-D", DATA_DIR=name)
    assert f"DATA_DIR={project.root / name} holds a" in said
    assert project.processes() == {}


def test_down_waits_for_an_up_that_is_under_way_and_stops_what_it_starts(project):
    project.write("bin/uv", f"{UV}until [ -e go ]; do sleep 0.1; done\n").chmod(0o755)
    there = {"cwd": project.root, "env": project.env, "stdout": subprocess.PIPE, "text": True}
    up = subprocess.Popen(project.command("up", "-D"), **there)
    wait_for((project.root / ".venv").exists)
    down = subprocess.Popen(project.command("down"), **there)
    first = down.stdout.readline()
    (project.root / "go").touch()
    assert "A `just up` is under way" in first
    assert "Stopped in" in down.communicate(timeout=30)[0]
    assert down.returncode == 0
    up.communicate(timeout=10)
    assert up.returncode == 0
    assert project.processes() == {}


def test_an_unknown_option_is_refused_by_process_compose(project):
    assert project.run("up", "-D", "--no-such-option").returncode != 0
    assert project.processes() == {}


def test_a_runtime_folder_that_others_can_write_is_refused(project):
    folder = Path(project.env["XDG_RUNTIME_DIR"]) / f"slipway-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    said = project.refused("up", "-D")
    folder.chmod(0o700)
    assert f"{folder} must be a folder that only you can" in said


def test_a_missing_tool_is_named(project):
    (project.root / "bin" / "process-compose").unlink()
    said = project.refused("up", "-D")
    assert "process-compose is not on PATH" in said
    assert "sh dev" in said
