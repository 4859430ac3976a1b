"""`just debug` of a Celery worker: the terminal belongs to the task."""

import os
import pty
import signal
import subprocess
import sys

from slipway import project

STOPS = """\
from celery import shared_task

@shared_task
def stop(number: int) -> None:
    breakpoint()
"""


def test_a_task_stops_at_a_breakpoint(running_stack, tmp_path):
    (tmp_path / "stops.py").write_text(STOPS)
    env = running_stack.env | {"CELERY_WORKER_INCLUDE": "stops", "PYTHONPATH": str(tmp_path)}
    ours, theirs = pty.openpty()
    command = [sys.executable, ".slipway", "debug", "celery-worker"]
    terminal = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    with subprocess.Popen(command, cwd=project.ROOT, env=env, **terminal) as worker:
        os.close(theirs)
        read_until(ours, " ready.")
        publish = "from config.celery import app; app.send_task('stops.stop', [41])"
        python = [sys.executable, "manage.py", "shell", "-v0", "-c", publish]
        subprocess.run(python, cwd=project.ROOT, env=running_stack.env, check=True)
        read_until(ours, "(Pdb) ")
        os.write(ours, b"number + 1\n")
        read_until(ours, "\n42")
        os.write(ours, b"c\n")
        read_until(ours, "succeeded")
        worker.send_signal(signal.SIGTERM)  # after "c", Ctrl-C leads back into pdb
    os.close(ours)
    waited = running_stack.command("wait")
    assert waited.returncode == 0, waited.stdout


def read_until(terminal: int, text: str) -> str:
    """Read what is shown there, up to this text."""
    said = ""
    while text not in said:
        said += os.read(terminal, 4096).decode(errors="replace")
    return said
