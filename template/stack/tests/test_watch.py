"""`wait`, `status`, `logs`, `restart`, `scale` on a running stack."""

import re
import subprocess
import time

import pytest

from stack.tests.conftest import WEB, free_port, wait_for

WORKER = """\
  worker:
    command: >-
      exec python -u -c "import os, sys, time; sys.path.insert(0, '.');
      from stack import heartbeat; print('working as', os.environ['PC_REPLICA_NUM']);
      [(heartbeat.beat('worker'), time.sleep(1)) for _ in range(1000)]"
    availability: {restart: always, backoff_seconds: 1}
    x-scalable: true
    readiness_probe:
      exec: {command: "exec python -IS stack/ready.py heartbeat .data/run/worker.$$PC_REPLICA_NUM"}
      period_seconds: 15
      timeout_seconds: 15
      failure_threshold: 1000000
    shutdown: {timeout_seconds: 10}
    log_location: .data/logs/worker.{PC_REPLICA_NUM}.log
    log_configuration: *log
"""


class TestWait:
    def test_a_failed_setup_ends_it_at_once_with_its_last_lines(self, project):
        project.services(
            "  setup:\n    command: echo no such table >&2; exit 3\n"
            f"{WEB}    depends_on: {{setup: {{condition: process_completed_successfully}}}}\n"
        )
        project.ok("up", "-D")
        start = time.monotonic()
        said = project.refused("wait")
        assert time.monotonic() - start < 5
        assert "setup: failed with exit code 3" in said
        assert "no such table" in said
        assert "web: skipped" in said
        assert said.index("setup:") < said.index("web:")

    def test_a_process_that_crashed_once_does_not_hang_it(self, project):
        crash_once = "test -e crashed || { touch crashed; exit 1; }; "
        project.services(
            WEB.replace("command: exec", f'command: "{crash_once} exec', 1).replace(
                "${WEB_PORT:-8000}\n", '${WEB_PORT:-1}"\n', 1
            )
        )
        project.ok("up", "-D")
        project.ok("wait")
        assert project.status()["web"]["restarts"] == 1

    def test_a_process_that_keeps_crashing_ends_it(self, project):
        doomed = WEB.replace("web", "doomed").replace("WEB_PORT", "DOOMED_PORT")
        project.env["DOOMED_PORT"] = str(free_port())
        project.services(
            WEB + doomed.replace("exec python", "echo no module named shop; exit 1;", 1)
        )
        project.ok("up", "-D")
        said = project.refused("wait", "--timeout", "60")
        assert "doomed: restarting, restarted" in said or "doomed: running" in said
        assert "no module named shop" in said
        assert "web:" not in said

    def test_after_the_time_out_it_names_what_is_not_ready(self, project):
        project.services(f"{WEB}{WORKER.replace('heartbeat.beat', 'str')}")
        project.ok("up", "-D")
        said = project.refused("wait", "--timeout", "2")
        assert "Not ready after 2 s" in said
        assert "worker: running, but not ready" in said
        assert "working as 0" in said
        assert "web:" not in said

    def test_it_may_be_called_before_up(self, project):
        waiting = subprocess.Popen(project.command("wait"), cwd=project.root, env=project.env)
        time.sleep(0.3)
        project.ok("up", "-D")
        assert waiting.wait(timeout=15) == 0

    def test_a_stack_that_vanishes_ends_it(self, project):
        project.services(WEB + WORKER.replace("heartbeat.beat", "str"))
        project.ok("up", "-D")
        waiting = subprocess.Popen(
            project.command("wait"),
            cwd=project.root,
            env=project.env,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: "worker" in project.status())
        time.sleep(1)  # it has begun to wait
        project.kill_server()
        assert "The stack has stopped" in waiting.communicate(timeout=15)[1]
        assert waiting.returncode == 1


class TestHeartbeat:
    def test_a_worker_is_ready_by_its_heartbeat_and_not_by_that_of_a_dead_one(self, project):
        project.services(WEB + WORKER)
        project.ok("up", "-D")
        project.ok("wait")
        project.ok("down")
        assert (project.root / ".data/run/worker.0").exists()  # fresh, but nobody's

        project.services(WEB + WORKER.replace("heartbeat.beat", "str"))
        project.ok("up", "-D")
        assert "not ready" in project.refused("wait", "--timeout", "2")


@pytest.fixture
def running(project):
    project.services(WEB + WORKER)
    project.ok("up", "-D")
    project.ok("wait")
    return project


class TestOneProcess:
    def test_status_is_a_table(self, running):
        rows = [re.split(r" {2,}", line) for line in running.ok("status").splitlines()]
        assert rows[0] == ["PROCESS", "STATUS", "READY", "RESTARTS", "UP"]
        assert [row[:4] for row in rows[1:]] == [
            ["web", "Running", "yes", "0"],
            ["worker", "Running", "yes", "0"],
        ]

    def test_logs_show_one_process_or_all_also_after_the_end(self, running):
        assert running.ok("logs", "worker") == "working as 0\n"
        running.ok("down")
        assert "working as 0" in running.ok("logs")
        assert "Serving HTTP" in running.ok("logs")
        said = running.refused("logs", "nobody")
        assert "no log of nobody" in said
        assert "web, worker" in said

    def test_logs_go_on(self, running):
        with subprocess.Popen(
            running.command("logs", "-f", "worker"),
            cwd=running.root,
            env=running.env,
            stdout=subprocess.PIPE,
            text=True,
        ) as tail:
            assert tail.stdout.readline() == "working as 0\n"
            running.ok("restart", "worker")
            assert tail.stdout.readline() == "working as 0\n"
            tail.terminate()

    def test_restart_by_name(self, running):
        before = running.status()
        running.ok("restart", "worker")
        running.ok("wait")
        after = running.status()
        assert after["worker"]["pid"] != before["worker"]["pid"]
        assert after["web"]["pid"] == before["web"]["pid"]
        said = running.refused("restart", "nobody")
        assert "no process nobody" in said
        assert "web, worker" in said

    def test_scale_up_and_down_and_the_names_still_work(self, running):
        assert running.ok("scale", "worker", "3") == "worker-0, worker-1, worker-2\n"
        running.ok("wait")
        first = running.status()
        running.ok("restart", "worker")
        running.ok("wait")
        assert all(running.status()[n]["pid"] != first[n]["pid"] for n in first if n != "web")
        assert "working as 2" in running.ok("logs", "worker")
        assert running.ok("logs", "worker.2").splitlines()[-1] == "working as 2"

        assert running.ok("scale", "worker", "1") == "worker\n"
        assert set(running.status()) == {"web", "worker"}
        assert "working as 2" not in running.ok("logs", "worker")
        assert "working as 2" not in running.ok("logs")
        assert sum("working as" in command for command in running.processes().values()) == 1

    def test_what_cannot_be_scaled(self, running):
        assert "cannot run twice" in running.refused("scale", "web", "2")
        assert "At least one" in running.refused("scale", "worker", "0")
        assert "no process nobody" in running.refused("scale", "nobody", "2")
        assert running.run("scale", "worker", "many").returncode == 2
