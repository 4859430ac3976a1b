from django.contrib import admin

from outbox.admin import Failed, FailedWorkAdmin

from . import failures
from .models import FailedTask


@admin.register(FailedTask)
class FailedTaskAdmin(FailedWorkAdmin):
    list_display = ["task", "state", "args", "error", "times", "last_failed_at"]
    list_filter = [Failed, "state", "task"]
    search_fields = ["task", "args", "error"]
    unavailable = (*failures.UNAVAILABLE, failures.Refused)

    def look(self) -> None:
        failures.collect()

    def start(self, row: FailedTask) -> None:
        failures.run_again(row)
