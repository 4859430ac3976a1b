from django.contrib import admin
from django.http import HttpRequest

from .models import ApprovalRequest, Decision


class ReadOnlyAdmin(admin.ModelAdmin):
    """To look at. `ApprovalWorkflow` writes the rows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    list_display = ["what", "requester", "state", "asked_at"]
    list_filter = ["state"]
    list_select_related = ["requester"]


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ["request", "approved", "decided_by", "reason", "decided_at"]
    list_select_related = ["request", "decided_by"]
