from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """A result that a page waits for."""

    name = "reports"
    title = "Report"
    purpose = "a result that the page waits for (staff)"
    url_prefix = "reports"
    needs = {"tasks": "add-celery"}
