"""A heartbeat is written where it is asked for, and never ends a process."""

import os

from config import heartbeat


def test_only_a_process_of_a_stack_has_a_heartbeat(settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path / "data"
    heartbeat.beat()
    assert not settings.DATA_DIR.exists()

    monkeypatch.setenv("PC_PROC_NAME", "mailer-2")
    monkeypatch.setenv("PC_REPLICA_NUM", "2")
    file = settings.DATA_DIR / "run" / "mailer.2"
    heartbeat.beat()
    assert file.read_text() == str(os.getpid())

    file.write_text("1")  # a process that has replaced this one
    heartbeat.remove()
    assert file.exists()
    heartbeat.beat()
    heartbeat.remove()
    assert not file.exists()

    settings.DATA_DIR = tmp_path / "file"
    settings.DATA_DIR.touch()
    heartbeat.beat()  # cannot be written, and is no error
