import time
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from . import delivery, kinds, promises
from .models import Email

# Seconds for the rows of one decision, each of which may wait for a server.
PATIENCE = 10


class Failed(admin.SimpleListFilter):
    """What waits for somebody's decision. The start page links to it."""

    title = "what failed"
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.failed = model_admin.failed
        return [("yes", "Failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return self.failed(queryset) if self.value() else queryset


class FailedWorkAdmin(admin.ModelAdmin):
    """A list of work, of which staff run again or give up what failed. Programs write the rows.

    Who may change the rows may decide; the admin's history of each row says who did, and when.
    """

    list_filter = [Failed]
    actions = ["run_again", "give_up"]
    # What the three functions below raise if they could not do it; nothing is changed then.
    unavailable: tuple[type[Exception], ...] = ()

    def look(self) -> None:
        """Bring the rows up to date."""

    def start(self, row: Any) -> None:
        """Run it again."""

    def end(self, row: Any) -> None:
        """End what is left of it."""

    def failed(self, rows: QuerySet) -> QuerySet:
        """Those that wait for a decision."""
        return rows.filter(state="failed")

    def try_again(self, row: Any) -> bool:
        """Run it again, unless somebody else just did or it succeeded, and return whether."""
        return self._move(row, "run again", self.start)

    def let_go(self, row: Any) -> bool:
        """Give it up, unless that is done already or it succeeded, and return whether."""
        return self._move(row, "given up", self.end)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            self.look()
        except self.unavailable:
            why = "A server does not answer: what failed just now may be missing here."
            self.message_user(request, why, messages.WARNING)
        return super().changelist_view(request, *args, **kwargs)

    @admin.action(description="Run again", permissions=["decide"])
    def run_again(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._decide(request, queryset, "try_again", "Run again.")

    @admin.action(description="Give up", permissions=["decide"])
    def give_up(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._decide(request, queryset, "let_go", "Given up.")

    def _decide(self, request: HttpRequest, rows: QuerySet, decide: str, done: str) -> None:
        count, end = 0, time.monotonic() + PATIENCE
        for row in rows:
            if time.monotonic() > end:
                self.message_user(request, "It takes long: the rest is left.", messages.ERROR)
                break
            try:
                if getattr(self, decide)(row):
                    self.log_change(request, row, done)
                    count += 1
                    continue
            except self.unavailable as error:
                self.message_user(request, f"{row}: {error} Nothing is changed.", messages.ERROR)
                continue
            row.refresh_from_db()
            self.message_user(
                request, f"{row}: nothing to do ({self.state(row)}).", messages.WARNING
            )
        if not rows:
            # The list was filtered, and somebody else was faster.
            self.message_user(request, "Nothing to do: it is done already.", messages.WARNING)
        if count:
            self.message_user(request, f"{done} {count} of {len(rows)}.", messages.SUCCESS)

    def _move(self, row: Any, state: str, act: Callable[[Any], None]) -> bool:
        # Of two people who press at the same time, one finds the row as it was. No transaction:
        # a server that does not answer would hold up everybody who writes.
        rows = self.model.objects.filter(pk=row.pk)
        if not rows.exclude(state__in=[state, "succeeded"]).update(state=state):
            return False
        try:
            act(row)
        except self.unavailable:
            rows.filter(state=state).update(state=row.state)
            raise
        return True

    @admin.display
    def state(self, row: Any) -> str:
        return row.get_state_display()

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    def has_add_permission(self, request: HttpRequest, *args: Model) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Email)
class EmailAdmin(FailedWorkAdmin):
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
    list_filter = [Failed, "kind", ("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["user__email", "reference"]

    def failed(self, rows: QuerySet[Email]) -> QuerySet[Email]:
        return promises.failed(rows)

    def try_again(self, email: Email) -> bool:
        """Make it due now. One that is being sent at the moment is left alone."""
        return bool(promises.retry(Email.objects.filter(pk=email.pk)))

    def let_go(self, email: Email) -> bool:
        return bool(promises.give_up(Email.objects.filter(pk=email.pk)))

    @admin.display
    def state(self, email: Email) -> str:
        if email.sent_at:
            return "sent"
        if email.kind not in kinds.all_kinds():
            return "not declared by any installed app"
        if email.given_up_at:
            return "given up"
        if email.failed_at or email.attempts >= delivery.MAX_ATTEMPTS:
            return "failed"
        if email.claim and email.not_before > timezone.now():
            return "being sent"
        if email.unanswered >= delivery.MAX_UNANSWERED:
            return "unknown: the mail server did not answer"
        if not email.user.email_confirmed_at and email.kind not in kinds.before_confirmation():
            return "held until the address is confirmed"
        return "waiting"
