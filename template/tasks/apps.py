from django.apps import AppConfig
from django.conf import settings


class TasksConfig(AppConfig):
    """Background tasks with Celery. What is where: `tasks/README.md`."""

    name = "tasks"
    start_page_template = "tasks/start_page.html"
    flower_url = settings.FLOWER_URL
    health_checks = {"redis": "config.celery.check_redis"}
    work = {"tasks.failedtask": "tasks.failures.work"}
    schedules = {
        "Send due e-mails": {
            "task": "tasks.emails.send_due_emails",
            "cron": "* * * * *",
            # Gone before the next comes: a worker that was away does not find hours of them.
            "expires": 60,
        },
        "Collect failed tasks": {
            "task": "tasks.failures.collect_all",
            "cron": "* * * * *",
            "expires": 60,
        },
        "Clean up": {"task": "tasks.cleanup.clean_up", "cron": "0 4 * * *"},
    }

    def ready(self) -> None:
        # Whatever has tasks or listens to signals, so that every process knows it.
        from config import celery  # noqa: F401

        from . import emails, failures, schedule, worker  # noqa: F401

        # A mistake in what an app declares is named before anything starts.
        schedule.declared()
