from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Requests that wait for somebody's decision: `ApprovalWorkflow`."""

    name = "workflows.approvals"
    url_prefix = "workflows/approvals"

    def ready(self) -> None:
        from accounts import emails

        from .emails import reminder

        emails.writers["approval"] = reminder
