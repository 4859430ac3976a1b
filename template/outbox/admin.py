import time
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from . import promises
from .delivery import State, standing
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
        return queryset.filter(self.failed) if self.value() else queryset


class FailedWorkAdmin(admin.ModelAdmin):
    """A list of work, of which staff run again or give up what failed. Programs write the rows.

    Who may change the rows may decide; the admin's history of each row says who did, and when.
    """

    actions = ["run_again", "give_up"]
    # What waits for a decision.
    failed = Q(state="failed")
    # What the three functions that follow raise if they could not do it; nothing is changed then.
    unavailable: tuple[type[Exception], ...] = ()

    def look(self) -> None:
        """Bring the rows up to date."""

    def start(self, row: Any) -> None:
        """Run it again."""

    def end(self, row: Any) -> None:
        """End what is left of it."""

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            self.look()
        except self.unavailable:
            why = "A server does not answer: what failed just now may be missing here."
            self.message_user(request, why, messages.WARNING)
        return super().changelist_view(request, *args, **kwargs)

    @admin.action(description="Run again", permissions=["decide"])
    def run_again(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._decide(request, queryset, "run again", self.start)

    @admin.action(description="Give up", permissions=["decide"])
    def give_up(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._decide(request, queryset, "given up", self.end)

    def _decide(self, request: HttpRequest, rows: QuerySet, state: str, act: Callable) -> None:
        count, end, done = 0, time.monotonic() + PATIENCE, f"{state.capitalize()}."
        for row in rows:
            if time.monotonic() > end:
                self.message_user(request, "It takes long: the rest is left.", messages.ERROR)
                break
            try:
                if self.move(row, state, act):
                    self.log_change(request, row, done)
                    count += 1
                else:
                    row.refresh_from_db()
                    why = f"{row}: nothing to do ({self.state(row)})."
                    self.message_user(request, why, messages.WARNING)
            except self.unavailable as error:
                self.message_user(request, f"{row}: {error} Nothing is changed.", messages.ERROR)
        # Of none, if the list was filtered and somebody else was faster.
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, f"{done} {count} of {len(rows)}.", level)

    def move(self, row: Any, state: str, act: Callable) -> bool:
        """Do it, unless somebody else just did or it succeeded, and return whether."""
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
    list_display = ["user", "kind", "reference", "state", "not_before", "attempts", "sent_at"]
    list_filter = [Failed, "kind", ("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["user__email", "reference"]
    failed = promises.FAILED

    def move(self, email: Email, state: str, act: Callable) -> bool:
        change = promises.retry if state == "run again" else promises.give_up
        return bool(change(Email.objects.filter(pk=email.pk)))

    @admin.display
    def state(self, email: Email) -> str:
        if email.sent_at or email.given_up_at:
            return "sent" if email.sent_at else "given up"
        state = standing(email).state
        return "being sent" if state is State.WAITING and email.claim else state.value
