"""The tests of the apps, on PostgreSQL: it has bounds, locks and types that SQLite has not."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

APPS = ["accounts", "outbox", "orders", "approvals", "exports"]


@pytest.mark.timeout(300)
def test_the_tests_of_the_apps_pass_on_postgresql(postgres_url):
    variables = {"DATABASE_URL": postgres_url, "DJANGO_SETTINGS_MODULE": "config.testing"}
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *APPS],
        cwd=settings.BASE_DIR,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert tests.returncode == 0, tests.stdout[-8000:]
    assert " skipped" not in tests.stdout.splitlines()[-1]
