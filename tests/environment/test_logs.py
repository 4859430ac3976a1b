"""`logs`: what the processes have written, also after the end."""

import subprocess


def test_logs_show_one_process_or_all_also_after_the_end(running):
    assert running.ok("logs", "worker") == "working as 0\n"
    running.ok("down")
    assert "working as 0" in running.ok("logs")
    assert "Serving HTTP" in running.ok("logs")
    said = running.refused("logs", "nobody")
    assert "no log of nobody" in said
    assert "web, worker" in said


def test_logs_go_on(running):
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
