from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    """Workflows with Temporal: what a worker needs, the onboarding and the sweep. See README.md."""

    name = "workflows"
    url_prefix = "workflows"
    start_page_template = "workflows/start_page.html"
    health_checks = {"temporal": "workflows.client.check"}
    work = {"workflows.failedworkflow": "workflows.failures.work"}
    workflows = ["workflows.onboarding.workflow", "workflows.sweep.workflow"]
    activities = ["workflows.onboarding.activities", "workflows.sweep.activities"]
    mail_activities = ["workflows.emails"]
    start_missing = "workflows.onboarding.start.start_missing"
    schedules = {
        "sweep": {"workflow": "workflows.sweep.workflow.SweepWorkflow", "cron": "* * * * *"}
    }

    def ready(self) -> None:
        from .onboarding import start  # noqa: F401  (connects the receiver of user_signed_up)
