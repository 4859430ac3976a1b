from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """A result that a page waits for."""

    name = "reports"
    title = "Report"
    purpose = "a result that the page waits for"
    url_prefix = "reports"
    permission = "accounts.view_user"
    needs = {"tasks": "add-celery"}
