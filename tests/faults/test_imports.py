"""What a process imports: the other backend would add to its start and its memory."""

import os
import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.parametrize(
    ("process", "others"),
    [
        # All that a worker of Celery's loads before it is ready.
        ("from config.celery import app; app.loader.import_default_modules()", ["temporalio"]),
        (
            "import django; django.setup();"
            "from workflows.management.commands import run_temporal_worker",
            ["redis"],
        ),
    ],
)
def test_a_worker_does_not_load_the_other_backend(process: str, others: list[str]):
    code = f"{process}; import sys; print([name for name in {others} if name in sys.modules])"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "CELERY_"))}
    env["DJANGO_SETTINGS_MODULE"] = "config.settings"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("[]\n", "")
