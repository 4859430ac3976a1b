from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """A result that a page waits for."""

    name = "tasks.reports"
    url_prefix = "tasks/reports"
