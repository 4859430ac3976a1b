from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from . import delivery, kinds, promises
from .models import Email


@admin.register(Email)
class EmailAdmin(admin.ModelAdmin):
    """To look at, and to give a failed e-mail another chance. `outbox` itself writes the rows."""

    list_display = [
        "user",
        "kind",
        "reference",
        "state",
        "not_before",
        "attempts",
        "sent_at",
        "failed_at",
    ]
    list_filter = [
        "kind",
        ("sent_at", admin.EmptyFieldListFilter),
        ("failed_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["user"]
    search_fields = ["user__email", "reference"]
    actions = ["try_again"]

    @admin.display
    def state(self, email: Email) -> str:
        if email.sent_at:
            return "sent"
        if email.kind not in kinds.all_kinds():
            return "not declared by any installed app"
        if email.failed_at:
            return "given up"
        if email.claim and email.not_before > timezone.now():
            return "being sent"
        if email.unanswered >= delivery.MAX_UNANSWERED:
            return "unknown: the mail server did not answer"
        if not email.user.email_confirmed_at and email.kind not in kinds.before_confirmation():
            return "held until the address is confirmed"
        return "waiting"

    @admin.action(
        description="Try to send the selected unsent e-mails again", permissions=["retry"]
    )
    def try_again(self, request: HttpRequest, queryset: QuerySet[Email]) -> None:
        """Make them due now. Those that are being sent at the moment are left alone."""
        self.message_user(request, f"{promises.retry(queryset)} e-mails are due now.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("outbox.change_email")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Email | None = None) -> bool:
        return False
