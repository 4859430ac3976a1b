"""Whatever state Temporal is in, a sign-up stands, does not wait, and gets its e-mails later."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as project_settings
from django.core import mail
from django.urls import reverse
from temporal_processes import process_environment

from accounts.models import User
from workflows import client as temporal_client
from workflows.fixtures import Temporal
from workflows.onboarding.start import start_onboarding

FORM = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "password1": "difference-engine",
    "password2": "difference-engine",
}


@pytest.fixture(params=["refuses", "does not accept", "accepts and says nothing"])
def broken_temporal(
    request: pytest.FixtureRequest, settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Django's client is told of a server that does not work."""
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
        settings.TEMPORAL_API_OPTIONS = {
            "target_host": f"127.0.0.1:{port}",
            "namespace": "default",
        }
        monkeypatch.setattr(temporal_client, "_client", None)
        yield


def test_a_sign_up_stands_and_says_that_the_mail_is_late(broken_temporal, client, transactional_db):
    start = time.monotonic()
    page = client.post(reverse("accounts:signup"), FORM, follow=True)
    assert time.monotonic() - start < 1.5  # two pages and a password besides
    assert "follows as soon as it flows again" in page.content.decode()
    assert User.objects.get().email == "ada@example.com"
    assert mail.outbox == []


def test_handing_over_takes_less_than_a_second_each_time(broken_temporal):
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(OSError):
            start_onboarding(1)
        assert time.monotonic() - start < 1


def test_the_health_check_fails_within_a_second(broken_temporal):
    start = time.monotonic()
    with pytest.raises(OSError):
        temporal_client.check()
    assert time.monotonic() - start < 1


def test_the_health_check_passes(temporal):
    temporal_client.check()


SLOW_IMPORT = """
import sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "temporalio.client":
            time.sleep(1)

sys.meta_path.insert(0, Slow())
from workflows.client import check
check()
"""


def test_the_import_of_the_sdk_is_no_time_of_the_servers(real_temporal: Temporal, tmp_path: Path):
    """On a busy machine it takes longer than an answer may."""
    address = real_temporal.client.service_client.config.target_host
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", SLOW_IMPORT],
        cwd=project_settings.BASE_DIR,
        env=process_environment(address, tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
