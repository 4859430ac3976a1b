"""Celery with nothing set but its broker."""

import os

from celery import Celery

app = Celery("bare", broker=os.environ["CELERY_BROKER_URL"])
