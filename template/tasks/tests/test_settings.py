"""What the environment makes of the settings."""

import os
import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.parametrize(
    ("address", "certificate"),
    [
        ("rediss://redis.example.com/1", "CERT_REQUIRED"),
        ("rediss://redis.example.com/1?ssl_cert_reqs=none", "CERT_NONE"),
    ],
)
def test_with_tls_the_certificate_is_checked(address: str, certificate: str):
    code = "from config.celery import app; print(app.connection_for_write().ssl)"
    env = os.environ | {"CELERY_BROKER_URL": address, "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=env, cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert certificate in answer.stdout
