from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """A long activity that reports its progress and can be cancelled: `ExportWorkflow`."""

    name = "exports"
    title = "Exports"
    purpose = "a long activity that shows its progress and can be cancelled (staff)"
    needs = {"workflows": "add-temporal"}
    url_prefix = "exports"
    permission = "exports.add_export"
    workflows = ["exports.workflow"]
    activities = ["exports.activities"]
    schedules = {
        "expire-exports": {"workflow": "exports.workflow.ExpireWorkflow", "cron": "20 * * * *"}
    }
