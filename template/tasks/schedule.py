"""The periodic tasks that a new database starts with. From then on the admin has the say.

`manage.py migrate` creates the entries that are missing and leaves the others alone. To stop one,
disable it in the admin: deleted, it comes back with the next `migrate`.
"""

from celery.schedules import crontab
from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from . import emails

ENTRIES = {
    "Send due e-mails": {
        "task": emails.send_due_emails,
        "schedule": crontab(),  # every minute
        # Gone before the next one comes: a worker that was away does not find hours of them.
        "expire_seconds": emails.SWEEP,
    },
}


@receiver(post_migrate)
def create_entries(sender: AppConfig, **kwargs: object) -> None:
    """Create the entries that the database does not have."""
    # `apps` is what has tables; it lacks the models after `migrate django_celery_beat zero`.
    migrated = kwargs.get("apps", apps).all_models
    if sender.name != "django_celery_beat" or not migrated["django_celery_beat"]:
        return
    from django_celery_beat.models import PeriodicTask
    from django_celery_beat.schedulers import ModelEntry

    for name, entry in ENTRIES.items():
        if PeriodicTask.objects.filter(name=name).exists():
            continue
        schedule, field = ModelEntry.to_model_schedule(entry["schedule"])
        PeriodicTask.objects.create(
            name=name,
            task=entry["task"].name,
            expire_seconds=entry["expire_seconds"],
            **{field: schedule},
        )
