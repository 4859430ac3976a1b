from celery.schedules import crontab
from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Background tasks with Celery. What is where: `tasks/README.md`."""

    name = "tasks"
    start_page_template = "tasks/start_page.html"
    health_checks = {"redis": "tasks.health.check_redis"}
    periodic_tasks = {
        "Send due e-mails": {
            "task": "tasks.emails.send_due_emails",
            "crontab": crontab(),  # every minute
            # Gone before the next comes: a worker that was away does not find hours of them.
            "expire_seconds": 60,
        },
        "Clean up": {
            "task": "tasks.cleanup.clean_up",
            "crontab": crontab(minute=0, hour=4),
        },
    }

    def ready(self) -> None:
        # Whatever has tasks or listens to signals, so that every process knows it.
        from config import celery  # noqa: F401

        from . import cleanup, emails, schedule, worker  # noqa: F401
