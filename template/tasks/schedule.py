"""The periodic tasks that apps declare: README.md, "Add a task".

`manage.py migrate` writes them into the database. From then on the admin has the say.
"""

from typing import Any

from celery.schedules import ParseException, crontab
from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate
from django.dispatch import receiver

# How the description of an entry begins that was made here. Its first line tells the entry whatever
# the admin edits. With the task in it: when a task moves, the entry that names the old one goes.
MADE = "Declared in "


def declared() -> dict[str, dict[str, Any]]:
    """Return the fields of each `PeriodicTask`. Raises `ImproperlyConfigured` for a mistake."""
    entries: dict[str, dict[str, Any]] = {}
    for app in apps.get_app_configs():
        for name, fields in getattr(app, "schedules", {}).items():
            if "task" not in fields:
                continue  # another backend's
            where = f'{app.name}/apps.py: the schedule "{name}"'
            if unknown := fields.keys() - {"task", "cron", "expires"}:
                known = "known are task, cron and expires"
                raise ImproperlyConfigured(f"{where} has {', '.join(sorted(unknown))}; {known}.")
            if name in entries:
                other = entries[name]["description"]
                raise ImproperlyConfigured(f"{where} has a name that is taken: {other}.")
            cron = " ".join(str(fields.get("cron", "")).split())
            try:
                schedule = crontab.from_string(cron)
            except (ValueError, ParseException) as error:
                form = f'which is not of the form "0 4 * * *" ({error})'
                raise ImproperlyConfigured(f'{where} has cron="{cron}", {form}.') from None
            entries[name] = {
                "name": name,
                "task": fields["task"],
                "crontab": schedule,
                "expire_seconds": fields.get("expires"),
                "description": f"{MADE}{app.name}/apps.py: {name}, {fields['task']}",
            }
    return entries


@receiver(post_migrate)
def update_entries(sender: AppConfig, **kwargs: Any) -> None:
    """Create the entries that are missing, and remove those that no app declares any more."""
    # `apps` is what has tables; it lacks the models after `migrate django_celery_beat zero`.
    migrated = kwargs.get("apps", apps).all_models
    if sender.name != "django_celery_beat" or not migrated["django_celery_beat"]:
        return
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    missing = {entry["description"]: entry for entry in declared().values()}
    for made in PeriodicTask.objects.filter(description__startswith=MADE):
        if not missing.pop(made.description.partition("\n")[0].strip(), None):
            made.delete()
    for entry in missing.values():
        if not PeriodicTask.objects.filter(name=entry["name"]).exists():
            schedule = CrontabSchedule.from_schedule(entry["crontab"])
            schedule.save()
            PeriodicTask.objects.create(**entry | {"crontab": schedule})
