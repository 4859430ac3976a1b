from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def temporal_ui(path: str = "") -> str:
    """The address in Temporal's UI of ``path`` within the namespace, or "" if there is no UI."""
    if not settings.TEMPORAL_UI_URL:
        return ""
    namespace = settings.TEMPORAL_CONNECT_OPTIONS["namespace"]
    return f"{settings.TEMPORAL_UI_URL}/namespaces/{namespace}/workflows{path}"
