"""`sh dev COMMAND`: what the command gets, and whether its tools are those of Nix."""

import os
import shutil
import subprocess

import pytest

from environment.tools.stand_ins import write_program

SHOW_ARGUMENTS = ["sh", "-c", 'printf "<%s>" "$@"', "-"]

# Writes down how it was called, then runs what stands behind -c, as `nix develop` does.
NIX = """#!/bin/sh
[ "$1" != --version ] || { echo "nix (Nix) ${FAKE_NIX_VERSION-2.34.8}"; exit; }
printf '<%s>' "$@" >"$HOME/nix-called"
while [ "$1" != -c ]; do shift; done
shift
exec "$@"
"""


@pytest.fixture
def nix(machine):
    write_program(machine.bin / "nix", NIX)
    return machine.home / "nix-called"


def test_the_first_call_gets_the_tools_and_later_calls_say_nothing(
    project, registry, machine, tmp_path
):
    first = project.dev("just", "--version")

    assert (first.returncode, first.stdout) == (0, "just 0.2.0\n")
    for name in ("uv 0.1.0: downloaded", "just 0.2.0: downloaded", "process-compose "):
        assert name in first.stderr

    registry.close()
    for needed_by_the_setup in ("python3", "go"):
        write_program(tmp_path / "broken" / needed_by_the_setup, "#!/bin/sh\nexit 1\n")
    second = project.dev("uv", "--version", PATH=f"{tmp_path}/broken:{machine.bin}")

    assert (second.returncode, second.stdout, second.stderr) == (0, "uv 0.1.0\n", "")


def test_arguments_and_exit_code_pass_unchanged(project):
    project.dev("true")

    shown = project.dev(*SHOW_ARGUMENTS, "two words", "*", "", "--help", "$HOME")
    failed = project.dev("sh", "-c", "exit 7")

    assert shown.stdout == "<two words><*><><--help><$HOME>"
    assert failed.returncode == 7


def test_the_current_folder_stays_the_callers(project, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()

    assert project.dev("pwd", "-P", cwd=elsewhere).stdout.strip() == os.path.realpath(elsewhere)


def test_the_environment_of_the_project(project):
    project.dev("true")
    script = 'echo "$DEV_TOOLS|$DEV_ROOT|$DJANGO_DEBUG|$UV_PYTHON_DOWNLOADS|${PATH%%:*}"'

    usual = project.dev("sh", "-c", script).stdout.strip()
    chosen = project.dev("sh", "-c", script, DJANGO_DEBUG="false").stdout.strip()

    root = os.path.realpath(project.root)
    assert usual == f"wheels|{root}||never|{root}/.venv/bin"
    assert chosen == f"wheels|{root}|false|never|{root}/.venv/bin"


def test_python_starts_before_there_is_a_virtual_environment(project):
    shown = project.dev("python", "-c", "import os, sys; print(os.environ['UV_PYTHON'])")

    uv_python = shown.stdout.strip()
    assert os.access(uv_python, os.X_OK)
    assert not uv_python.startswith(os.path.realpath(project.root))


def test_inside_the_environment_the_command_just_runs(project, registry):
    registry.close()  # nothing could be set up now
    root = os.path.realpath(project.root)
    inside = {"DEV_ROOT": root, "PATH": f"{root}/.venv/bin:{project.machine.bin}"}

    shown = project.dev(*SHOW_ARGUMENTS, "a b", **inside)

    assert (shown.stdout, shown.stderr) == ("<a b>", "")
    assert not (project.root / ".tools").exists()


def test_a_login_shell_that_reset_path_gets_the_environment_again(project):
    root = os.path.realpath(project.root)

    assert project.dev("just", DEV_ROOT=root).stdout == "just 0.2.0\n"


def test_another_projects_shell_is_not_this_projects(project, tmp_path):
    other = {"DEV_ROOT": str(tmp_path), "PATH": f"{tmp_path}/.venv/bin:{project.machine.bin}"}

    assert project.dev("just", **other).stdout == "just 0.2.0\n"


def test_nix_comes_first(project, nix):
    shown = project.dev(*SHOW_ARGUMENTS, "a b", DEV_NIX_ARGS="--impure --offline")

    assert shown.stdout == "<a b>"
    called = nix.read_text()
    assert f"<{os.path.realpath(project.root)}><--impure><--offline><-c><sh>" in called
    assert not (project.root / ".tools").exists()


def test_dev_nix_0_goes_without_nix(project, nix):
    assert project.dev("just", DEV_NIX="0").stdout == "just 0.2.0\n"
    assert not nix.exists()


def test_a_flake_that_git_does_not_know_is_named(project, nix):
    (project.root / "flake.nix").touch()
    subprocess.run(["git", "init", "-q", project.root], check=True)

    refused = project.dev("true")

    assert refused.returncode == 1
    assert "flake.nix" in refused.stderr
    assert "add -N ." in refused.stderr
    subprocess.run(["git", "-C", project.root, "add", "-N", "."], check=True)
    assert project.dev("true").returncode == 0


@pytest.mark.parametrize(
    ("version", "folder", "system", "why"),
    [
        ("2.8.0", "shop", "Linux x86_64", "it is nix (Nix) 2.8.0, and 2.18 or later is needed"),
        ("2.17.1", "shop", "Linux x86_64", "it is nix (Nix) 2.17.1, and 2.18 or later is needed"),
        ("2.18.1", "shop", "Linux x86_64", None),
        ("2.34.8", "shop", "Darwin x86_64", "nixpkgs has nothing for Darwin x86_64"),
        ("2.34.8", "shop", "Linux riscv64", "nixpkgs has nothing for Linux riscv64"),
        ("2.34.8", "shop", "Darwin arm64", None),
        ("2.18.1", "my shop", "Linux x86_64", "before 2.19 it takes only plain letters and digits"),
        ("2.19.0", "my shop", "Linux x86_64", None),
        ("3.0", "my shop", "Linux aarch64", None),
        ("2.34.8", "shop #2", "Linux x86_64", "it takes no # or ? in the path of a project"),
    ],
)
def test_a_nix_that_will_not_do_is_named_and_gone_without(
    version, folder, system, why, project, nix, tmp_path
):
    root = tmp_path / "projects" / folder
    shutil.copytree(project.root, root)
    project.dev("true", DEV_NIX="0")  # the tools are in the cache
    write_program(project.machine.bin / "uname", f"#!/bin/sh\necho {system}\n")

    done = subprocess.run(
        ["sh", root / "dev", "sh", "-c", "echo a command"],
        env=project.machine.env | {"FAKE_NIX_VERSION": version},
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.returncode) == ("a command\n", 0), done.stderr
    lines = [line for line in done.stderr.splitlines() if "Nix" in line]
    assert nix.exists() == (why is None)
    assert len(lines) == 1
    assert lines[0].startswith(f"dev: going without Nix: {why}" if why else "dev: opening the Nix")


def test_a_nix_that_does_not_start_is_gone_without(project, machine):
    write_program(machine.bin / "nix", "#!/bin/sh\nexit 1\n")

    done = project.dev("just")

    assert done.stdout == "just 0.2.0\n"
    assert "dev: going without Nix: it does not start." in done.stderr


@pytest.mark.parametrize("old_python", ["#!/bin/sh\nexit 1\n", None])
def test_without_a_python_that_will_do_it_says_which(project, old_python):
    (project.machine.bin / "python3").unlink()
    if old_python:
        write_program(project.machine.bin / "python3", old_python)

    refused = project.dev("just")

    assert refused.returncode == 1
    assert "Python 3.11" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_newer_python_under_its_own_name_will_do(project):
    (project.machine.bin / "python3").rename(project.machine.bin / "python3.12")
    write_program(project.machine.bin / "python3", "#!/bin/sh\nexit 1\n")

    assert project.dev("python3", "-c", "print(1)").stdout == "1\n"


def test_help_and_wrong_use(project):
    assert "sh dev COMMAND" in project.dev("--help").stdout
    for wrong in ([], ["--no-such-option"]):
        refused = project.dev(*wrong)
        assert refused.returncode == 2
        assert "sh dev COMMAND" in refused.stderr
    assert project.dev("no-such-command").returncode == 127
