from django.contrib import admin
from django.utils.html import format_html

from outbox.admin import Failed, FailedWorkAdmin

from . import client, failures
from .models import FailedWorkflow
from .templatetags.temporal import ui_address


@admin.register(FailedWorkflow)
class FailedWorkflowAdmin(FailedWorkAdmin):
    list_display = ["workflow_id", "how", "history", "times", "last_failed_at", "state"]
    list_filter = [Failed, "state", "how", "type"]
    search_fields = ["workflow_id"]
    unavailable = client.UNAVAILABLE

    def look(self) -> None:
        failures.look()

    def start(self, row: FailedWorkflow) -> None:
        failures.run_again(row)

    def end(self, row: FailedWorkflow) -> None:
        failures.give_up(row)

    @admin.display(description="In Temporal")
    def history(self, row: FailedWorkflow) -> str:
        address = ui_address(row.workflow_id, row.run_id)
        return format_html('<a href="{}">history</a>', address) if address else ""
