"""The reloader: a change replaces the worker, and a worker is told to stop once."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import reload
from environment.small_project import wait_for

WORKER = """\
import signal, sys, time
from shop.code import VERSION

def say(word):
    with open("diary", "a") as diary:
        diary.write(f"{word} {VERSION}\\n")

def stop(*_):
    say("told")
    time.sleep(0.5)  # to finish its work
    say("ends")
    sys.exit(7)

signal.signal(signal.SIGTERM, stop)
say("starts")
time.sleep(60)
"""


class Worker:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.reloader: subprocess.Popen | None = None
        (root / ".slipway").mkdir()
        shutil.copy(reload.__file__, root / ".slipway")
        (root / "shop").mkdir()
        (root / "shop" / "__init__.py").touch()
        self.change("VERSION = 1")
        (root / "worker.py").write_text(WORKER)

    def start(self) -> subprocess.Popen:
        command = [sys.executable, ".slipway/reload.py", sys.executable, "-B", "worker.py"]
        self.reloader = subprocess.Popen(command, cwd=self.root)
        wait_for(lambda: self.diary())
        return self.reloader

    def wait_until_watched(self, folder: str = "shop") -> None:
        """Linux tells which folders the reloader watches."""
        mark = f" ino:{(self.root / folder).stat().st_ino:x} "

        def watched() -> bool:
            with contextlib.suppress(OSError):  # descriptors come and go
                infos = Path(f"/proc/{self.reloader.pid}/fdinfo").iterdir()
                return any(mark in info.read_text() for info in infos)
            return False

        wait_for(watched)

    def change(self, code: str) -> None:
        (self.root / "shop" / "code.py").write_text(code + "\n")

    def add(self, name: str, text: str = "") -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def diary(self) -> list[str]:
        diary = self.root / "diary"
        return diary.read_text().splitlines() if diary.exists() else []


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path)
    yield worker
    if worker.reloader:
        worker.reloader.kill()
        worker.reloader.wait()


def test_a_change_starts_a_new_one_while_the_old_one_finishes_its_work(worker):
    reloader = worker.start()
    worker.wait_until_watched()
    worker.change("VERSION = 2")
    wait_for(lambda: "starts 2" in worker.diary() and "ends 1" in worker.diary())
    assert worker.diary()[:2] == ["starts 1", "told 1"]
    assert worker.diary().count("told 1") == 1

    reloader.terminate()
    assert reloader.wait(10) == 7
    assert worker.diary()[-2:] == ["told 2", "ends 2"]


def test_a_package_that_comes_later_is_watched_too(worker):
    worker.start()
    worker.wait_until_watched()
    new = worker.root / "invoices"
    (new / "views").mkdir(parents=True)
    (new / "__init__.py").touch()
    wait_for(lambda: worker.diary().count("starts 1") == 2)
    worker.wait_until_watched("invoices/views")
    (new / "views" / "invoice.py").touch()
    wait_for(lambda: worker.diary().count("starts 1") == 3)
    (new / "tasks").mkdir()
    worker.wait_until_watched("invoices/tasks")
    (new / "tasks" / "monthly.py").touch()
    wait_for(lambda: worker.diary().count("starts 1") == 4)


def test_a_folder_may_become_a_package(worker):
    (worker.root / "invoices" / "inner").mkdir(parents=True)
    worker.start()
    worker.wait_until_watched()
    (worker.root / "invoices" / "__init__.py").touch()
    wait_for(lambda: worker.diary().count("starts 1") == 2)
    worker.wait_until_watched("invoices/inner")
    (worker.root / "invoices" / "inner" / "tasks.py").touch()
    wait_for(lambda: worker.diary().count("starts 1") == 3)


def test_a_package_that_goes_does_not_end_the_watch(worker):
    worker.add("invoices/__init__.py")
    worker.start()
    worker.wait_until_watched()
    shutil.rmtree(worker.root / "invoices")
    wait_for(lambda: worker.diary().count("starts 1") == 2)
    worker.wait_until_watched()
    worker.change("VERSION = 2")
    wait_for(lambda: "starts 2" in worker.diary())


def test_what_is_no_code_of_the_project_is_not_watched(worker):
    for name in ("node_modules/__init__.py", "shop/node_modules/lib/a.py", "env/pyvenv.cfg"):
        worker.add(name)
    worker.start()
    worker.wait_until_watched()
    for name in (
        *(".venv/lib/a.py", "env/__init__.py", "env/lib/a.py", "node_modules/a.py"),
        *("shop/node_modules/lib/a.py", "shop/.cache/a.py", "shop/page.html", "docs/conf.py"),
        *("staticfiles/__init__.py", ".data/mail/1.txt", "report.txt", "shop/__pycache__/a.py"),
        *("shop/tests.py", "shop/tests/test_code.py"),
    ):
        worker.add(name, "changed")
    time.sleep(2)
    assert worker.diary() == ["starts 1"]


def test_the_thousands_of_folders_of_an_environment_are_not_looked_at(worker):
    for name in (".venv", "node_modules", "env"):
        worker.add(f"{name}/__init__.py")
    worker.add("env/pyvenv.cfg")
    code = "import reload; print(*sorted(reload.packages()))"
    folders = subprocess.run(
        [sys.executable, "-c", code],
        cwd=worker.root,
        env=os.environ | {"PYTHONPATH": ".slipway"},
        capture_output=True,
        text=True,
    ).stdout.split()
    assert folders == [f"{os.path.realpath(worker.root)}/shop"]


def test_it_is_told_once_and_nothing_starts_after_a_stop(worker):
    reloader = worker.start()
    worker.wait_until_watched()
    reloader.send_signal(signal.SIGTERM)
    wait_for(lambda: "told 1" in worker.diary())
    worker.change("VERSION = 2")  # while it finishes its work
    reloader.send_signal(signal.SIGINT)
    assert reloader.wait(10) == 7
    assert worker.diary() == ["starts 1", "told 1", "ends 1"]


def test_a_stop_waits_for_those_that_were_replaced(worker):
    reloader = worker.start()
    worker.wait_until_watched()
    (worker.root / "worker.py").write_text(
        "open('diary', 'a').write('starts\\n'); raise SystemExit(3)"
    )
    worker.change("VERSION = 2")
    assert reloader.wait(10) == 3  # the new one's, which has ended first
    assert "ends 1" in worker.diary()


def test_a_crash_ends_both_so_that_process_compose_starts_them_again(worker):
    (worker.root / "worker.py").write_text("open('diary', 'w').write('x'); raise SystemExit(3)")
    assert worker.start().wait(10) == 3


def test_half_written_code_does_not_end_the_old_one(worker, capfd):
    worker.start()
    worker.wait_until_watched()
    worker.change("VERSION = (2")
    wait_for(lambda: "shop/code.py: '(' was never closed" in capfd.readouterr().out)
    worker.add("shop/other.py", "OTHER = 2\n")  # which does not make the first one whole
    wait_for(lambda: "shop/code.py: '(' was never closed" in capfd.readouterr().out)
    worker.change("VERSION = 3")
    wait_for(lambda: "starts 3" in worker.diary())
    assert worker.diary()[:2] == ["starts 1", "told 1"]


def test_what_ends_at_once_when_it_is_stopped_has_not_failed(worker):
    """As Django's server."""
    (worker.root / "worker.py").write_text(
        "open('diary', 'w').write('x'); import time; time.sleep(60)"
    )
    reloader = worker.start()
    reloader.terminate()
    assert reloader.wait(10) == 0


@pytest.mark.parametrize("changes", [0, 1])
def test_workers_are_told_to_end_when_the_reloader_is_killed(worker, changes):
    reloader = worker.start()
    worker.wait_until_watched()
    if changes:
        worker.change("VERSION = 2")
        wait_for(lambda: "starts 2" in worker.diary() and "ends 1" in worker.diary())
        time.sleep(1)  # it has its guard
    reloader.kill()
    wait_for(lambda: f"ends {changes + 1}" in worker.diary())
    assert worker.diary().count(f"told {changes + 1}") == 1


def test_a_killed_worker_counts_as_a_crash(worker):
    (worker.root / "worker.py").write_text(
        "import os; open('diary', 'w').write('x'); os.kill(os.getpid(), 9)"
    )
    assert worker.start().wait(10) == 128 + signal.SIGKILL
