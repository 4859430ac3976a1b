"""The store of stories: processes that are killed or fork, disks that take nothing, and limits."""

import sqlite3
import subprocess
import sys

import sentry_sdk
from celery import shared_task
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from telemetry import store, stories
from telemetry.store import Store

KILLED = """
import os, sys
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from telemetry.store import Store
store, provider = Store(Path(sys.argv[1])), TracerProvider()
provider.add_span_processor(store)
provider.get_tracer("x").start_span("doomed")
if os.fork() == 0:
    provider.get_tracer("x").start_span("forked")
    store.force_flush(10_000)
    os.kill(os.getpid(), 9)
os.wait()
store.force_flush(10_000)
print("written", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_was_doing_is_known(tmp_path, settings):
    file = tmp_path / "stories.sqlite3"

    def states() -> dict[str, str]:
        found = stories.newest(file, {"path": ""})
        return {one["name"]: stories.story(file, one["trace"]).rows[0].state for one in found}

    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, file],
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"written\n"
    assert states() == {"doomed": "running", "forked": "killed"}
    process.kill()
    process.communicate()
    assert states() == {"doomed": "killed", "forked": "killed"}


def test_where_nothing_can_be_written_work_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(store, "AGAIN", 0.01)
    monkeypatch.setattr(store, "QUEUE", 100)
    file = tmp_path / "not-yet" / "stories.sqlite3"
    kept, provider = Store(file), TracerProvider()
    provider.add_span_processor(kept)
    for number in range(store.QUEUE + 1):
        provider.get_tracer("shop").start_span(f"lost {number}").end()
    kept.force_flush()
    assert f"Stories cannot be written to {file}" in caplog.text

    file.parent.mkdir()
    provider.get_tracer("shop").start_span("kept").end()
    assert kept.force_flush()
    assert stories.newest(file, {"path": "kept"})


def test_the_oldest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "BYTES", 100_000)
    monkeypatch.setattr(store, "CHECK_EVERY", 500)
    file = tmp_path / "stories.sqlite3"
    kept, provider = Store(file), TracerProvider()
    provider.add_span_processor(kept)
    provider.get_tracer("shop").start_span("ancient", start_time=1).end()
    for number in range(2 * store.CHECK_EVERY):
        provider.get_tracer("shop").start_span(f"span {number}").end()
        if number % 100 == 99:
            assert kept.force_flush()

    with sqlite3.connect(file) as db:
        store.prune(db)
        names = [name for (name,) in db.execute("SELECT name FROM span ORDER BY started")]
    assert "ancient" not in names
    assert 0 < len(names) < 2 * store.CHECK_EVERY
    assert names[-1] == f"span {2 * store.CHECK_EVERY - 1}"


def test_a_span_that_ends_while_its_start_is_written_is_there_once(tmp_path):
    kept = Store(tmp_path / "stories.sqlite3")
    span = TracerProvider().get_tracer("shop").start_span("quick")
    span.end()
    for entry in (span, span._readable_span()):
        kept.put(entry)
        assert kept.force_flush()
    (found,) = stories.newest(kept.file, {"path": "quick"})
    assert found["answered"] is not None


traces = []


@shared_task
def never_works(name: str) -> None:
    context = trace.get_current_span().get_span_context()
    traces.append(f"{context.trace_id:032x}")
    raise LookupError(f"{name} is not there")


def test_a_task_that_failed_goes_to_sentry_with_its_ids(sentry):
    result = never_works.apply(args=[str(42_424_242)])  # a stack shows the code here, too
    sentry_sdk.flush()
    (event,) = sentry.errors
    assert event["tags"] == {"task_id": result.id}
    assert event["transaction"] == "process test_telemetry.never_works"
    assert event["exception"]["values"][0]["type"] == "LookupError"
    assert event["contexts"]["trace"]["trace_id"] == traces[-1]
    assert "42424242" not in str(event)
