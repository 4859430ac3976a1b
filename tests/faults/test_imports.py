"""What a process imports: the other backend would add to its start and its memory."""

import os
import subprocess
import sys

from django.conf import settings


def test_a_worker_of_celery_does_not_load_the_sdk_of_temporal():
    # All that it loads before it is ready.
    code = "from config.celery import app; app.loader.import_default_modules(); import sys;"
    code += "print('temporalio' in sys.modules)"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "CELERY_"))}
    env["DJANGO_SETTINGS_MODULE"] = "config.settings"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("False\n", "")
