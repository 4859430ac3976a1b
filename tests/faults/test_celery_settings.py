"""What the environment makes of the settings."""

import os
import subprocess
import sys

import pytest
from celery.exceptions import QueueNotFound
from django.conf import settings

from tasks.emails import send_due_emails
from tasks.fixtures import CeleryCommand, RedisServer


def test_the_address_of_redis_is_the_one_that_it_listens_on():
    """Another Redis may listen on localhost's other address, ::1."""
    code = "from django.conf import settings; print(settings.CELERY_BROKER_URL)"
    env = os.environ | {"CELERY_BROKER_URL": "", "REDIS_PORT": "7000"}
    env |= {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=env, cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert answer.stdout == "redis://127.0.0.1:7000/1\n"


def test_a_task_for_a_queue_that_nobody_declared_is_refused(
    celery: CeleryCommand, redis_server: RedisServer
):
    with pytest.raises(QueueNotFound, match="slwo"):
        send_due_emails.apply_async(queue="slwo")
    worker = celery("worker", "-Q", "slwo")
    assert worker.wait(30) != 0
    assert "slwo" in worker.output
    assert redis_server.client.keys() == []
