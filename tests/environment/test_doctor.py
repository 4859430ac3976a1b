"""The doctor: finds what is missing, without just and without `.venv`."""

import os
import socket
import subprocess

import pytest


def test_a_healthy_project(project):
    project.write("bin/just", "#!/bin/sh\necho just 1.59.0\n").chmod(0o755)
    project.ok("setup")
    said = project.ok("doctor")
    assert "!!" not in said
    assert "just 1.59.0" in said
    assert f"port {project.port} (WEB_PORT, app) is free" in said

    project.ok("up", "-D")
    project.ok("wait")
    said = project.ok("doctor")
    assert "the stack runs" in said
    assert f"port {project.port} (WEB_PORT, app) is in use by" in said


def test_each_thing_that_is_missing(project):
    project.write("services/cache.yaml", "x-tools:\n  no-such-server:\n  other: .venv/cache-*\n")
    (project.root / "bin/uv").unlink()
    said = project.refused("doctor")
    for tool in ("uv", "just", "no-such-server", "other"):
        assert f"!!   {tool} is missing" in said
    assert ".venv is not up to date" in said


def test_what_replaces_a_tool(project):
    project.write("services/cache.yaml", "x-tools:\n  no-such-server: lib/*/cache\n")
    project.write("lib/any/cache", "#!/bin/sh\necho Cache v=9.1.2\n").chmod(0o755)
    assert "ok   cache 9.1.2" in project.run("doctor").stdout


def test_with_nix_the_versions_that_differ_without_it_are_named(project):
    versions = {"just": "1.59.0", "uv": "0.13.9", "flow": "1.8.3", "store": "8.0.1"}
    for name, version in versions.items():
        answer = f"#!/bin/sh\necho {name} {version} with server 3.2.1\n"
        project.write(f"bin/{name}", answer).chmod(0o755)
    tools = "x-tools:\n  flow:\n  store: .venv/lib/python*/site-packages/likestore/bin/server\n"
    project.write("services/flow.yaml", tools)
    lock = '[[package]]\nname = "{}"\nversion = "{}"\n'
    project.write(
        ".slipway/tools/uv.lock", lock.format("rust-just", "1.60.0") + lock.format("uv", "0.13.9")
    )
    project.write(
        "uv.lock", lock.format("flow-bin", "1.9.0") + lock.format("likestore", "9.1.2.post2")
    )
    project.write(".slipway/tools/process_compose.py", 'VERSION = "0.1.2"\n')

    said = project.run("doctor", DEV_TOOLS="nix").stdout

    assert "just 1.59.0 (without Nix: 1.60.0)" in said
    assert "uv 0.13.9  " in said
    assert "flow 1.8.3 (without Nix: 1.9.0)" in said
    assert "store 8.0.1 (without Nix: likestore 9.1.2)" in said
    assert "(without Nix: 0.1.2)" in said
    assert "without Nix" not in project.run("doctor", DEV_TOOLS="wheels").stdout


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo v1.86.9", "process-compose 1.86.9  PATH\n       1.87 or later is needed"),
        ("exit 0", None),  # what was built by hand may not know its version
        ("echo v1.87.0", None),
    ],
)
def test_a_process_compose_that_is_too_old_is_named(answer, said, project):
    path = project.root / "bin/process-compose"
    path.unlink()
    project.write("bin/process-compose", f"#!/bin/sh\n{answer}\n").chmod(0o755)
    report = project.run("doctor").stdout
    assert f"!!   {said.replace('PATH', str(path))}" in report if said else "or later" not in report


def test_a_tool_that_does_not_start_is_named(project):
    """As programs from elsewhere on NixOS."""
    project.write("bin/just", "#!/no/such/loader\n").chmod(0o755)
    assert "!!   just does not start" in project.run("doctor").stdout


def test_bad_input_is_named(project):
    project.write(".env", "two words\n")
    assert ".env, line 1: two words" in project.refused("doctor")
    (project.root / ".env").unlink()
    assert "WEB_PORT=http is not a port" in project.refused("doctor", WEB_PORT="http")
    with socket.create_server(("127.0.0.1", project.port)):
        said = project.refused("doctor")
    assert f"Port {project.port} (app) is taken by" in said
    assert f"pid {os.getpid()}" in said
    assert "in the environment: WEB_PORT=" in said


def test_a_data_folder_that_cannot_be_used_is_named(project):
    project.write("data", "a file")
    said = project.refused("doctor", DATA_DIR="data")
    assert f"!!   DATA_DIR={project.root / 'data'} cannot be used" in said


def test_a_misspelt_variable_is_named(project):
    project.write(".env.example", "# Where it listens.\n# SHOP_PORT=1\n")
    project.write("tasks/.env.example", "# QUEUE=\n")
    project.write(".env", "QUEUE=mail\nSHOP_PROT=2\nOTHER=3\n")
    said = project.run("doctor").stdout
    assert "!!   SHOP_PROT in .env" in said
    assert "did you mean SHOP_PORT?" in said
    assert "!!   OTHER in .env" in said
    assert "QUEUE" not in said


def test_a_reader_that_leaves_is_no_error(project):
    doctor = subprocess.Popen(
        project.command("doctor"),
        cwd=project.root,
        env=project.env | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    doctor.stdout.close()
    assert "Traceback" not in doctor.stderr.read()
    doctor.stderr.close()
    doctor.wait(30)
