from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from .models import Email, User


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    list_display = ["email", "name", "is_staff", "date_joined"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    readonly_fields = ["date_joined", "last_login"]
    fieldsets = [
        (None, {"fields": ["email", "password", "name"]}),
        (
            "Permissions",
            {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]},
        ),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "name", "usable_password", "password1", "password2"]})
    ]


@admin.register(Email)
class EmailAdmin(admin.ModelAdmin):
    """To look at, and to give a failed e-mail another chance. The ledger writes the rows."""

    list_display = ["user", "kind", "not_before", "attempts", "sent_at", "failed_at"]
    list_filter = [
        "kind",
        ("sent_at", admin.EmptyFieldListFilter),
        ("failed_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    actions = ["try_again"]

    @admin.action(
        description="Try to send the selected unsent e-mails again", permissions=["retry"]
    )
    def try_again(self, request: HttpRequest, queryset: QuerySet[Email]) -> None:
        """Make them due now. Those that are being sent at the moment are left alone."""
        count = queryset.filter(sent_at=None, claim=None).update(
            not_before=timezone.now(), attempts=0, failed_at=None
        )
        self.message_user(request, f"{count} e-mails are due now.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_email")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Email | None = None) -> bool:
        return False
