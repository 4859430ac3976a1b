"""A link to its story beside each row of the admin that has one, whatever app the row is of."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

# The attribute by which a row is found, and the filter of the list that takes it.
FILTERS = {"workflow_id": "workflow", "last_id": "task"}


def add() -> None:
    """Add the links. All admins are registered by now."""
    for model, model_admin in admin.site._registry.items():
        if any(hasattr(model, name) for name in ("trace", "emails", *FILTERS)):
            model_admin.list_display = [*model_admin.list_display, story]


@admin.display
def story(row: Any) -> str:
    """Of a promised e-mail that which promised it; of a user that which promised the first."""
    trace = getattr(row, "trace", None)
    if hasattr(row, "emails"):
        promised = row.emails.exclude(trace=None).order_by("pk")
        trace = promised.values_list("trace", flat=True).first()
    if trace:
        return _link(reverse("telemetry:story", args=[trace.split("-")[1]]))
    for name, query in FILTERS.items():
        if value := getattr(row, name, ""):
            return _link(f"{reverse('telemetry:list')}?{urlencode({query: value})}")
    return ""


def _link(address: str) -> str:
    return format_html('<a href="{}">story</a>', address)
