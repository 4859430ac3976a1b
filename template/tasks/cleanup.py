"""A periodic task: what nobody needs any more goes, every night."""

from importlib import import_module

from celery import shared_task
from django.conf import settings


@shared_task
def clean_up() -> None:
    """Delete the sessions that have expired. Django leaves them in the database."""
    engine = import_module(settings.SESSION_ENGINE)
    engine.SessionStore.clear_expired()
