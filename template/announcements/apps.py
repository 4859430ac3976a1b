from celery.schedules import crontab
from django.apps import AppConfig


class AnnouncementsConfig(AppConfig):
    """An e-mail to every user: high volume, in small steps."""

    name = "tasks.announcements"
    url_prefix = "tasks/announcements"
    periodic_tasks = {
        "Continue announcements": {
            "task": "tasks.announcements.tasks.continue_announcements",
            "crontab": crontab(),  # every minute
            "expire_seconds": 60,
        },
    }

    def ready(self) -> None:
        from accounts import emails

        from .models import KIND, write

        emails.writers[KIND] = write
