from django.contrib import admin
from django.http import HttpRequest

from .models import Announcement


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin):
    """To look at. `/announcements/` makes and shows them."""

    list_display = ["subject", "created_by", "created_at", "cursor", "stopped_by", "stopped_at"]
    list_select_related = ["created_by", "stopped_by"]
    search_fields = ["subject", "text"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Announcement | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Announcement | None = None) -> bool:
        return False  # its e-mails could not be written any more
