from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from .models import FailedTask

# How long it is known that a task failed which has succeeded since, or was given up.
KEEP = timedelta(days=90)


@shared_task
def clean_up() -> None:
    """Delete the sessions that have expired, which Django leaves in the database, and the records
    of failed tasks with which nothing is left to do."""
    call_command("clearsessions")
    old = FailedTask.objects.filter(last_failed_at__lt=timezone.now() - KEEP)
    old.exclude(state=FailedTask.State.FAILED).delete()
