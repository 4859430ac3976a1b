from django import template
from django.conf import settings
from django.template import Context

register = template.Library()


@register.simple_tag(takes_context=True)
def temporal_ui(context: Context, workflow_id: str = "") -> str:
    """The address in Temporal's UI of the workflows, or of one of them.

    "" if there is no UI, and in production for everybody who is not staff.
    """
    if not settings.TEMPORAL_UI_URL or not (settings.DEBUG or context["user"].is_staff):
        return ""
    namespace = settings.TEMPORAL_API_OPTIONS["namespace"]
    address = f"{settings.TEMPORAL_UI_URL}/namespaces/{namespace}/workflows"
    return f"{address}/{workflow_id}" if workflow_id else address
