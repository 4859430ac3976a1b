from urllib.parse import quote

from django import template
from django.conf import settings
from django.template import Context

register = template.Library()


def ui_address(*ids: str) -> str:
    """The address in Temporal's UI of the workflows, of one, or of one of its runs; "" without."""
    if not settings.TEMPORAL_UI_URL:
        return ""
    namespace = settings.TEMPORAL_API_OPTIONS["namespace"]
    parts = [settings.TEMPORAL_UI_URL, "namespaces", namespace, "workflows"]
    return "/".join([*parts, *(quote(id, safe="") for id in ids)])


@register.simple_tag(takes_context=True)
def temporal_ui(context: Context, *ids: str) -> str:
    """The same; in production only for staff."""
    return ui_address(*ids) if settings.DEBUG or context["user"].is_staff else ""
