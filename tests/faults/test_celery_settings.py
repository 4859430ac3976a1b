"""What the environment makes of the settings."""

import os
import subprocess
import sys

from django.conf import settings


def test_the_address_of_redis_is_the_one_that_it_listens_on():
    """Another Redis may listen on localhost's other address, ::1."""
    code = "from django.conf import settings; print(settings.CELERY_BROKER_URL)"
    env = os.environ | {"CELERY_BROKER_URL": "", "REDIS_PORT": "7000"}
    env |= {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=env, cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert answer.stdout == "redis://127.0.0.1:7000/1\n"
