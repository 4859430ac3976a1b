from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Requests that wait for somebody's decision: `ApprovalWorkflow`."""

    name = "approvals"
    title = "Approvals"
    purpose = "a person decides, is reminded, or is too late"
    needs = {"workflows": "add-temporal"}
    url_prefix = "approvals"
    emails = {"approval": "approvals.emails.reminder"}
    workflows = ["approvals.workflow"]
    activities = ["approvals.activities"]
    mail_activities = ["approvals.reminders"]
    start_missing = "approvals.start.start_missing"
