from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """A long activity that reports its progress and can be cancelled: `ExportWorkflow`."""

    name = "workflows.exports"
    url_prefix = "workflows/exports"
