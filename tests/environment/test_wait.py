"""`wait`: it ends when all is ready, and at once where waiting cannot help."""

import os
import signal
import subprocess
import time

from free_ports import free_port

from environment.small_project import WEB, WORKER, wait_for


def test_a_failed_setup_ends_it_at_once_with_its_last_lines(project):
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


def test_a_process_that_crashed_once_does_not_hang_it(project):
    crash_once = "test -e crashed || { touch crashed; exit 1; }; "
    project.services(
        WEB.replace("command: exec", f'command: "{crash_once} exec', 1).replace(
            "${WEB_PORT:-8000}\n", '${WEB_PORT:-1}"\n', 1
        )
    )
    project.ok("up", "-D")
    project.ok("wait")
    assert project.status()["web"]["restarts"] == 1


def test_a_process_that_keeps_crashing_ends_it(project):
    doomed = WEB.replace("web", "doomed").replace("WEB_PORT", "DOOMED_PORT")
    project.env["DOOMED_PORT"] = str(free_port())
    project.services(WEB + doomed.replace("exec python", "echo no module named shop; exit 1;", 1))
    project.ok("up", "-D")
    said = project.refused("wait", "--timeout", "60")
    assert "doomed: restarting, restarted" in said or "doomed: running" in said
    assert "no module named shop" in said
    assert "web:" not in said


def test_after_the_time_out_it_names_what_is_not_ready(project):
    project.services(f"{WEB}{WORKER.replace('heartbeat.beat', 'str')}")
    project.ok("up", "-D")
    wait_for(lambda: project.status()["web"]["ready"])
    said = project.refused("wait", "--timeout", "2")
    assert "Not ready after 2 s" in said
    assert "worker: running, but not ready" in said
    assert "working as 0" in said
    assert "web:" not in said


def test_a_stack_that_is_slow_to_answer_has_not_stopped(project):
    """As on a machine that is busy."""
    project.services(f"{WEB}{WORKER.replace('heartbeat.beat', 'str')}")
    project.ok("up", "-D")
    server = project.pid("process-compose")
    os.kill(server, signal.SIGSTOP)
    waiting = subprocess.Popen(
        project.command("wait", "--timeout", "5"),
        cwd=project.root,
        env=project.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(4)
    os.kill(server, signal.SIGCONT)
    assert "Not ready after 5 s" in waiting.communicate(timeout=30)[1]


def test_it_may_be_called_before_up(project):
    waiting = subprocess.Popen(project.command("wait"), cwd=project.root, env=project.env)
    time.sleep(0.3)
    project.ok("up", "-D")
    assert waiting.wait(timeout=15) == 0


def test_a_stack_that_vanishes_ends_it(project):
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


def test_a_worker_is_ready_by_its_heartbeat_and_not_by_that_of_a_dead_one(project):
    project.services(WEB + WORKER)
    project.ok("up", "-D")
    project.ok("wait")
    project.ok("down")
    assert (project.root / ".data/run/worker.0").exists()  # fresh, but nobody's

    project.services(WEB + WORKER.replace("heartbeat.beat", "str"))
    project.ok("up", "-D")
    assert "not ready" in project.refused("wait", "--timeout", "2")
