"""What the worker protects its work from."""

import socket
import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.mail.backends.smtp import EmailBackend
from django.db import connection
from temporal_processes import wait_until
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from accounts.emails import WELCOME
from accounts.models import User
from outbox.models import Email
from outbox.promises import promise
from workflows import fixtures, worker
from workflows.declarations import Declared
from workflows.emails import send_email
from workflows.onboarding.start import start_onboarding, workflow_id


@pytest.fixture
def hung_mail_server(settings):
    """A mail server that accepts connections and says nothing. Yields what ends it."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        settings.EMAIL_BACKEND = f"{EmailBackend.__module__}.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        settings.EMAIL_TIMEOUT = 60
        yield server.close


def test_a_hung_mail_server_holds_up_nothing_else(temporal, transactional_db, hung_mail_server):
    users = [
        User.objects.create_user(f"user{number}@example.com", name="U")
        for number in range(worker.THREADS + 4)
    ]
    promise([user.pk for user in users], WELCOME)
    with temporal.workers():
        for user in users[: worker.THREADS]:
            start_onboarding(user.pk)
        wait_until(
            lambda: Email.objects.exclude(claim=None).count() == worker.THREADS,
            "all mail threads to hang",
        )
        # The activities of four more do their work all the same.
        start = time.monotonic()
        for user in users[worker.THREADS :]:
            start_onboarding(user.pk)
        members = User.objects.filter(groups__name="Members")
        wait_until(lambda: members.count() == len(users), "them")
        assert time.monotonic() - start < 2
        assert Email.objects.exclude(claim=None).count() == worker.THREADS
        for user in users:
            temporal.run(temporal.handle(workflow_id(user.pk)).terminate())
        hung_mail_server()  # or the worker waits for it to its end


@activity.defn
def use_database(break_it: bool) -> int:
    """Count something; then close the connection behind Django's back, as a restart does."""
    Group.objects.count()
    if break_it:
        connection.connection.close()
    return threading.get_ident()


@workflow.defn(sandboxed=False)  # this file imports Django
class UseDatabase:
    @workflow.run
    async def run(self) -> list[int]:
        return [
            await workflow.execute_activity(
                use_database,
                broken,
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
            for broken in (True, False)
        ]


def test_a_dead_database_connection_heals(temporal, transactional_db, settings, monkeypatch):
    # One thread, so that the second activity would meet the dead one.
    monkeypatch.setattr(worker, "THREADS", 1)
    monkeypatch.setattr(
        fixtures, "declared", lambda: Declared([UseDatabase], [use_database], [send_email])
    )
    with temporal.workers():
        start = temporal.client.execute_workflow(
            UseDatabase.run, id=str(uuid.uuid4()), task_queue=settings.TEMPORAL_TASK_QUEUE
        )
        first, second = temporal.run(start)
    assert first == second
