"""The periodic tasks that a new database starts with. From then on the admin has the say.

An app names its own in its config, with the fields of django-celery-beat's `PeriodicTask`:

    periodic_tasks = {
        "Clean up": {"task": "tasks.cleanup.clean_up", "crontab": crontab(minute=0, hour=4)},
    }

`manage.py migrate` creates the entries that are missing and leaves the others alone. To stop one,
disable it in the admin: deleted, it comes back with the next `migrate`.
"""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.dispatch import receiver


@receiver(post_migrate)
def create_entries(sender: AppConfig, **kwargs: object) -> None:
    """Create the entries that the database does not have."""
    # `apps` is what has tables; it lacks the models after `migrate django_celery_beat zero`.
    migrated = kwargs.get("apps", apps).all_models
    if sender.name != "django_celery_beat" or not migrated["django_celery_beat"]:
        return
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    for app in apps.get_app_configs():
        for name, fields in getattr(app, "periodic_tasks", {}).items():
            if not PeriodicTask.objects.filter(name=name).exists():
                crontab = CrontabSchedule.from_schedule(fields["crontab"])
                crontab.save()
                PeriodicTask.objects.create(name=name, **fields | {"crontab": crontab})
