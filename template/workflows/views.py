import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from temporalio.client import Client

from . import client

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The onboarding, and for staff the workflows that are stuck."""
    context = {}
    if request.user.is_staff:
        try:
            context["stuck"] = client.call(_stuck)
        except client.UNAVAILABLE as error:
            logger.warning("Workflows cannot be listed: %s", error)
            context["unavailable"] = True
    return render(request, "workflows/index.html", context)


async def _stuck(temporal: Client) -> list[dict]:
    """The workflows whose code fails again and again, or cannot read its input."""
    return [
        {
            "id": workflow.id,
            "type": workflow.workflow_type,
            "since": workflow.start_time,
            "problems": workflow.search_attributes["TemporalReportedProblems"],
        }
        async for workflow in temporal.list_workflows(
            'ExecutionStatus = "Running" AND TemporalReportedProblems IS NOT NULL', limit=20
        )
    ]
