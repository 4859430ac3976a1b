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
    """Return what the installed apps declare, by name: the fields of a `PeriodicTask`.

    Raises `ImproperlyConfigured` for a mistake.
    """
    entries: dict[str, dict[str, Any]] = {}
    for app in apps.get_app_configs():
        for name, fields in getattr(app, "schedules", {}).items():
            if "task" not in fields:
                continue  # another backend's
            if unknown := fields.keys() - {"task", "cron", "expires"}:
                known = "known are task, cron and expires"
                raise _mistake(app, name, f"has {', '.join(sorted(unknown))}; {known}")
            if name in entries:
                other = entries[name]["description"]
                raise _mistake(app, name, f"has a name that is taken: {other}")
            entries[name] = {
                "name": name,
                "task": fields["task"],
                "crontab": _crontab(app, name, fields.get("cron", "")),
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


def _crontab(app: AppConfig, name: str, line: str) -> crontab:
    parts = str(line).split()
    try:
        if len(parts) != 5:
            raise ValueError(f"it has {len(parts)} parts")
        return crontab.from_string(" ".join(parts))
    except (ValueError, ParseException) as error:
        what = f'has cron="{line}", which is not of the form "0 4 * * *" ({error})'
        raise _mistake(app, name, what) from None


def _mistake(app: AppConfig, name: str, what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f'{app.name}/apps.py: the schedule "{name}" {what}.')
