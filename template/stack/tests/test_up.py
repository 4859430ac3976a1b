"""Starting and stopping, and what may be in the way."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from stack import ports
from stack.tests.conftest import WEB, free_port, wait_for


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


class TestPorts:
    def test_a_taken_port_names_its_holder_and_the_variable(self, project):
        with socket.create_server(("127.0.0.1", project.port)):
            said = project.refused("up", "-D")
        assert f"Port {project.port} (app) is taken by" in said
        assert f"pid {os.getpid()}" in said
        assert "WEB_PORT=" in said
        assert project.processes() == {}

    def test_the_port_that_it_proposes_is_free(self, project):
        with socket.create_server(("127.0.0.1", project.port)):
            proposed = project.refused("up", "-D").split("WEB_PORT=")[1].split()[0]
        project.ok("up", "-D", WEB_PORT=proposed)
        project.ok("wait")

    def test_a_malformed_port_is_named_with_the_accepted_form(self, project):
        for wrong in ("http", "0", "70000", "80 ", "٨٠"):
            said = project.refused("up", "-D", WEB_PORT=wrong)
            assert f"WEB_PORT={wrong} is not a port" in said
            assert "1 to 65535" in said
        assert project.processes() == {}

    def test_one_port_for_two_is_refused(self, project):
        second = WEB.replace("web", "second").replace("WEB_PORT", "SECOND_PORT")
        project.services(WEB + second)
        said = project.refused("up", "-D", SECOND_PORT=str(project.port))
        assert f"WEB_PORT and SECOND_PORT are both {project.port}" in said

    def test_the_environment_beats_dotenv(self, project):
        project.write(".env", f"WEB_PORT={free_port()}\n")
        project.ok("up", "-D")
        project.ok("wait")
        assert not ports.is_free(project.port)

    def test_dotenv_counts(self, project):
        project.write(".env", f"# ours\nexport WEB_PORT='{project.port}'  # free\nEMPTY=\n")
        del project.env["WEB_PORT"]
        project.ok("up", "-D")
        project.ok("wait")
        assert not ports.is_free(project.port)


class TestBadConfiguration:
    def test_a_malformed_line_of_dotenv_is_named(self, project):
        project.write(".env", "GOOD=1\nEMAIL FROM me\nNAME=two words\n")
        said = project.refused("up", "-D")
        assert ".env, line 2: EMAIL FROM me" in said
        assert ".env, line 3: NAME=two words" in said
        assert "NAME=value" in said

    def test_a_malformed_setting_is_said_in_its_own_words(self, project):
        project.write(
            "config/settings.py",
            "class ImproperlyConfigured(Exception): pass\n"
            "raise ImproperlyConfigured('DATABASE_URL=x is not an address.')\n",
        )
        assert project.refused("up", "-D").endswith("DATABASE_URL=x is not an address.\n")
        assert project.processes() == {}

    def test_a_detached_stack_that_cannot_start_says_why(self, project):
        project.services(WEB + "  broken: [\n")
        said = project.refused("up", "-D")
        assert "process-compose did not start" in said
        assert "app.yaml" in said

    def test_a_data_folder_that_cannot_be_written_is_named(self, project):
        project.write("data", "a file")
        said = project.refused("up", "-D", DATA_DIR="data")
        assert f"DATA_DIR={project.root / 'data'} cannot be used" in said

    def test_an_unknown_option_is_refused_by_process_compose(self, project):
        assert project.run("up", "-D", "--no-such-option").returncode != 0
        assert project.processes() == {}

    def test_a_runtime_folder_that_others_can_write_is_refused(self, project):
        folder = Path(project.env["XDG_RUNTIME_DIR"]) / f"stack-{os.getuid()}"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        said = project.refused("up", "-D")
        folder.chmod(0o700)
        assert f"{folder} must be a folder that only you can" in said

    def test_a_missing_tool_is_named(self, project):
        (project.root / "bin" / "process-compose").unlink()
        said = project.refused("up", "-D")
        assert "process-compose is not on PATH" in said
        assert "sh dev" in said


class TestKilledServer:
    """process-compose itself is killed: its children live on, with their ports."""

    def test_the_next_up_heals_it(self, project):
        project.ok("up", "-D")
        project.ok("wait")
        orphan = project.pid("http.server")
        project.kill_server()
        assert not ports.is_free(project.port)

        said = project.ok("up", "-D")
        assert f"pid {orphan}" in said
        project.ok("wait")
        assert project.pid("http.server") != orphan

    def test_down_ends_what_is_left(self, project):
        project.ok("up", "-D")
        project.ok("wait")
        project.kill_server()
        assert "left behind" in project.ok("down")
        assert project.processes() == {}
        assert ports.is_free(project.port)

    def test_doctor_names_what_is_left(self, project):
        project.ok("up", "-D")
        project.ok("wait")
        orphan = project.pid("http.server")
        project.kill_server()
        said = project.run("doctor").stdout
        assert f"pid {orphan}" in said
        assert "just down" in said

    def test_a_stack_in_the_foreground_ends_at_once(self, project):
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

    def test_a_server_that_hangs_is_not_taken_for_dead(self, project):
        project.ok("up", "-D")
        project.ok("wait")
        os.kill(project.pid("process-compose"), signal.SIGSTOP)
        assert "does not answer" in project.refused("up", "-D")
        os.kill(project.pid("process-compose"), signal.SIGCONT)

    def test_workers_get_sigterm_once_and_before_their_servers(self, project):
        trap = "trap 'echo {0} >>ended; exit' TERM; echo here; while :; do sleep 0.1; done"
        project.services(
            f'  server:\n    command: "{trap.format("server")}"\n    ready_log_line: here\n'
            f'  worker:\n    command: "{trap.format("worker")}"\n'
            "    depends_on: {server: {condition: process_log_ready}}\n"
        )
        project.ok("up", "-D")
        wait_for(lambda: project.status()["worker"]["status"] == "Running")
        time.sleep(0.3)  # it has set its trap
        project.kill_server()
        project.ok("down")
        assert (project.root / "ended").read_text() == "worker\nserver\n"
