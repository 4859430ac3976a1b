"""The Celery app: `celery -A config …`, and what every `@shared_task` belongs to."""

import os
import sys

from celery import Celery
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Django's checks load every page; `migrate` makes them before workers start.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("config")
try:
    # At once, because a wrong variable would otherwise end in a traceback in the middle of a start.
    app.config_from_object("django.conf:settings", namespace="CELERY", force=True)
except ImproperlyConfigured as error:
    raise SystemExit(f"celery: {error}") from None
app.steps["consumer"].add("tasks.recovery:Recovery")
# Every command of `celery` has loaded Flower, and nothing else has.
if "flower.app" in sys.modules:
    from tasks import flower_hosts  # noqa: F401
# `tasks` imports its own modules; this finds a `tasks.py` in the other apps.
app.autodiscover_tasks()


def check_redis() -> None:
    """Raise `OperationalError` unless Redis answers, within the time that publishing gets too."""
    with app.connection_for_write() as connection:
        connection.default_channel  # noqa: B018 - opens it, and asks Redis
