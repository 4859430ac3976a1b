from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    """The Temporal backend. See README.md of this folder."""

    name = "workflows"
    url_prefix = "workflows"
    start_page_template = "workflows/start_page.html"
    health_checks = {"temporal": "workflows.health.check_temporal"}
