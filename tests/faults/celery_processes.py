"""What only the tests of faults need of Celery: workers in a hurry, and a Redis that is broken."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from tasks.fixtures import CeleryCommand


def add_chores(celery: CeleryCommand) -> CeleryCommand:
    """Let its workers know the tasks of `chores.py`, and be in more of a hurry than usual."""
    celery.env["PYTHONPATH"] = str(Path(__file__).parent)
    celery.worker_options += ["-I", "chores"]
    return celery


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """What the chores write to."""
    file = tmp_path / "notes"
    file.touch()
    return file


@pytest.fixture
def every_second(transactional_db: None) -> None:
    """The schedule of the sweep, in a hurry."""
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.filter(name="Send due e-mails").update(crontab=None, interval=second)


@pytest.fixture(params=["refuses", "does not accept", "accepts and says nothing"])
def broken_redis(request: pytest.FixtureRequest, broker: Callable) -> Iterator[None]:
    """Tasks are published to a Redis that does not work."""
    with socket.socket() as listener, socket.socket() as caller:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if request.param == "refuses":
            listener.close()
        elif request.param == "does not accept":
            listener.listen(0)
            caller.connect(("127.0.0.1", port))  # the queue of callers is full now
        else:
            listener.listen(100)
        broker(f"redis://127.0.0.1:{port}/1")
        yield
