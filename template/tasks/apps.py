from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Background tasks with Celery. What is where: `tasks/README.md`."""

    name = "tasks"
    url_prefix = "tasks"
    start_page_template = "tasks/start_page.html"
    health_checks = {"redis": "tasks.health.check_redis"}

    def ready(self) -> None:
        # Whatever has tasks or listens to signals, so that every process knows it.
        from config import celery  # noqa: F401

        from . import emails, schedule, worker  # noqa: F401
