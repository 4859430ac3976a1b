"""process-compose itself is killed: its children live on, with their ports."""

import os
import signal
import subprocess

from environment.small_project import wait_for
from slipway import ports


def test_the_next_up_heals_it(project):
    project.ok("up", "-D")
    project.ok("wait")
    orphan = project.pid("http.server")
    project.kill_server()
    assert not ports.is_free(project.port)

    said = project.ok("up", "-D")
    assert f"pid {orphan}" in said
    project.ok("wait")
    assert project.pid("http.server") != orphan


def test_down_ends_what_is_left(project):
    project.ok("up", "-D")
    project.ok("wait")
    project.kill_server()
    assert "left behind" in project.ok("down")
    assert project.processes() == {}
    assert ports.is_free(project.port)


def test_status_does_not_say_that_nothing_runs(project):
    project.ok("up", "-D")
    project.ok("wait")
    orphan = project.pid("http.server")
    project.kill_server()
    for command in (["status"], ["wait"], ["restart", "web"]):
        said = project.refused(*command)
        assert f"pid {orphan}" in said
        assert "just down" in said
    project.ok("down")
    assert "Nothing runs" in project.refused("status")


def test_doctor_names_what_is_left(project):
    project.ok("up", "-D")
    project.ok("wait")
    orphan = project.pid("http.server")
    project.kill_server()
    said = project.run("doctor").stdout
    assert f"pid {orphan}" in said
    assert "just down" in said


def test_a_stack_in_the_foreground_ends_at_once(project):
    server = subprocess.Popen(
        project.command("up"),
        cwd=project.root,
        env=project.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: project.run("wait").returncode == 0)
    project.kill_server()
    output, _ = server.communicate(timeout=15)
    assert server.returncode == 128 + signal.SIGKILL
    assert "killed by signal 9" in output
    assert project.processes() == {}


def test_a_server_that_hangs_is_not_taken_for_dead(project):
    project.ok("up", "-D")
    project.ok("wait")
    os.kill(project.pid("process-compose"), signal.SIGSTOP)
    assert "does not answer" in project.refused("up", "-D")
    os.kill(project.pid("process-compose"), signal.SIGCONT)


def test_workers_get_sigterm_once_and_before_their_servers(project):
    trap = "trap 'echo {0} >>ended; exit' TERM; echo here; touch {0}; while :; do sleep 0.1; done"
    project.services(
        f'  server:\n    command: "{trap.format("server")}"\n    ready_log_line: here\n'
        f'  worker:\n    command: "{trap.format("worker")}"\n'
        "    depends_on: {server: {condition: process_log_ready}}\n"
    )
    project.ok("up", "-D")
    wait_for((project.root / "worker").exists)
    project.kill_server()
    project.ok("down")
    assert (project.root / "ended").read_text() == "worker\nserver\n"
