"""`debug`: a process of the stack, in this terminal."""

import os
import pty
import signal
import subprocess

import pytest

from environment.small_project import WEB, wait_for

WORKER = """\
  worker:
    command: exec python .slipway/reload.py python worker.py "${GREETING:-hello}" $$PC_REPLICA_NUM
    x-debug: {HERE: "1"}
    availability: {restart: always, backoff_seconds: 1}
    shutdown: {timeout_seconds: 10}
    log_location: .data/logs/worker.{PC_REPLICA_NUM}.log
    log_configuration: *log
"""
CODE = """\
import os, sys, time
if "HERE" in os.environ:
    breakpoint()
else:
    time.sleep(1000)
"""


class TestDebug:
    def test_a_breakpoint_stops_in_this_terminal(self, project):
        project.write("worker.py", CODE)
        project.write(".slipway/reload.py", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])")
        project.services(WORKER)
        project.ok("up", "-D", GREETING="two words")
        project.ok("wait")
        before = project.status()["worker"]["pid"]
        done = subprocess.run(
            project.command("debug", "worker"),
            cwd=project.root,
            env=project.env,
            input="import signal; print(sys.argv, len([1, 2, 3]))\nc\n",
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        assert "['worker.py', 'two words', '0'] 3" in done.stdout
        wait_for(lambda: project.status()["worker"]["uptime"])
        assert project.status()["worker"]["pid"] != before
        wait_for(lambda: "restart" not in str(project.processes()))

    def test_modules_are_those_of_the_project(self, project):
        """Its root is where they are found first, and `.slipway` is not: also under a debugger."""
        project.write("client.py", "NAME = 'of the project'")
        project.write(
            "worker.py",
            "import sys, time\nif sys.stdin.isatty() or not sys.stdin.read(1): time.sleep(1000)\n"
            "import client; print(client.NAME, client.__file__)\n"
            "print(sys.path[0], [p for p in sys.path if 'slipway' in p])\n",
        )
        project.services(WORKER)
        project.ok("up", "-D")
        project.ok("wait")
        start = "import runpy, sys; sys.argv = ['.slipway', 'debug', 'worker']\n"
        start += f"runpy.run_path({str(project.root / '.slipway')!r}, run_name='__main__')\n"
        for command in (project.command("debug", "worker"), [project.command()[0], "-c", start]):
            done = subprocess.run(
                command,
                cwd=project.root,
                env=project.env,
                input="x",
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert f"of the project {project.root}/client.py\n{project.root} []" in done.stdout
            wait_for(lambda: project.status()["worker"]["uptime"])
        wait_for(lambda: "restart" not in str(project.processes()))

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
    def test_it_has_the_port_to_itself_until_it_is_ended(self, how, project):
        project.services(WEB)
        project.ok("up", "-D")
        project.ok("wait")
        before = project.status()["web"]["pid"]
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            project.command("debug", "web"),
            cwd=project.root,
            env=project.env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as debugged:
            os.close(theirs)
            said = b""
            while b"Serving HTTP on" not in said:
                said += os.read(ours, 1000)
            assert project.status()["web"]["pid"] == before
            assert project.status()["web"]["status"] == "Completed"
            debugged.send_signal(how)
        os.close(ours)
        wait_for(lambda: project.status()["web"]["uptime"] and project.status()["web"]["ready"])
        assert project.status()["web"]["pid"] != before
        wait_for(lambda: "restart" not in str(project.processes()))

    def test_the_stack_is_stopped_beside_it(self, project):
        project.services(WEB)
        project.ok("up", "-D")
        project.ok("wait")
        ours, theirs = pty.openpty()
        command = project.command("debug", "web")
        with subprocess.Popen(
            command, cwd=project.root, env=project.env, stdin=theirs, stdout=theirs, stderr=theirs
        ) as debugged:
            os.close(theirs)
            said = b""
            while b"Serving HTTP on" not in said:
                said += os.read(ours, 1000)
            stopped = project.run("down").stdout
            runs_on = debugged.poll() is None
            debugged.send_signal(signal.SIGINT)
        assert "left behind" not in stopped
        assert runs_on
        os.close(ours)
        wait_for(lambda: not project.processes())  # it looks if there is something to restart

    def test_other_programs_are_refused(self, project):
        project.services("  store: {command: exec sleep 1000}\n")
        project.ok("up", "-D")
        said = project.refused("debug", "store")
        assert "store cannot be debugged: it is no Python program." in said
        assert project.status()["store"]["ready"]
        assert "There is no process cache." in project.refused("debug", "cache")

    def test_without_a_stack_it_says_how_to_start_one(self, project):
        project.services(WEB)
        assert "Nothing runs here. To start it: just up" in project.refused("debug", "web")
