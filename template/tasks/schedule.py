"""The periodic tasks of a new database. From then on the admin has the say.

An app declares its own in its config:

    schedules = {
        "Clean up": {"task": "tasks.cleanup.clean_up", "cron": "0 4 * * *"},
    }

`cron` is a line as in a crontab: minute, hour, day of the month, month, day of the week, in the
project's time zone. With `expires`, a run that no worker has begun after so many seconds is left
out.

`manage.py migrate` creates the entries that are missing and leaves the others alone. To stop one,
disable it in the admin: deleted, it comes back with the next `migrate`. An entry that was made
here goes when no app declares it any more.
"""

from dataclasses import dataclass
from typing import Any

from celery.schedules import ParseException, crontab
from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate
from django.dispatch import receiver

# How the description of an entry begins that was made here.
MADE = "Declared in "


@dataclass(frozen=True)
class Entry:
    """What an app declares."""

    name: str
    task: str
    crontab: crontab
    expires: int | None
    # The first line of its description in the database, which tells the entry whatever the admin
    # edits. With the task in it: when a task moves, the entry that names the old one goes.
    description: str


def declared() -> list[Entry]:
    """Return what the installed apps declare. Raises `ImproperlyConfigured` for a mistake."""
    entries: dict[str, Entry] = {}
    for app in apps.get_app_configs():
        for name, fields in getattr(app, "schedules", {}).items():
            # Those without a task are for another backend.
            if "task" in fields:
                entry = _read(app, name, **fields)
                if name in entries:
                    other = entries[name].description
                    raise _mistake(app, name, f"has a name that is taken: {other}")
                entries[name] = entry
    return list(entries.values())


@receiver(post_migrate)
def update_entries(sender: AppConfig, **kwargs: Any) -> None:
    """Create the entries that are missing, and remove those that no app declares any more."""
    # `apps` is what has tables; it lacks the models after `migrate django_celery_beat zero`.
    migrated = kwargs.get("apps", apps).all_models
    if sender.name != "django_celery_beat" or not migrated["django_celery_beat"]:
        return
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    missing = {entry.description: entry for entry in declared()}
    for made in PeriodicTask.objects.filter(description__startswith=MADE):
        if not missing.pop(made.description.partition("\n")[0].strip(), None):
            made.delete()
    for entry in missing.values():
        if not PeriodicTask.objects.filter(name=entry.name).exists():
            schedule = CrontabSchedule.from_schedule(entry.crontab)
            schedule.save()
            PeriodicTask.objects.create(
                name=entry.name,
                task=entry.task,
                crontab=schedule,
                expire_seconds=entry.expires,
                description=entry.description,
            )


def _read(
    app: AppConfig,
    name: str,
    /,
    task: str,
    cron: str = "",
    expires: int | None = None,
    **unknown: object,
) -> Entry:
    if unknown:
        raise _mistake(app, name, f"has {', '.join(unknown)}; known are task, cron and expires")
    parts = str(cron).split()
    try:
        if len(parts) != 5:
            raise ValueError(f"it has {len(parts)} parts")
        schedule = crontab.from_string(" ".join(parts))
    except (ValueError, ParseException) as error:
        raise _mistake(
            app, name, f'has cron="{cron}", which is not of the form "0 4 * * *" ({error})'
        ) from None
    return Entry(name, task, schedule, expires, f"{MADE}{app.name}/apps.py: {name}, {task}")


def _mistake(app: AppConfig, name: str, what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f'{app.name}/apps.py: the schedule "{name}" {what}.')
