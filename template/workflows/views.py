import logging
from typing import Any

import temporalio.client  # noqa: F401 - with the pages, so that no sign-up waits for it
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.middleware import HtmxDetails

from accounts.models import User

from . import client
from .observe import observe
from .onboarding.start import workflow_id
from .onboarding.workflow import UserOnboardingWorkflow

logger = logging.getLogger(__name__)


@never_cache
@login_required
@require_safe
def onboarding(request: HttpRequest) -> HttpResponse:
    """How far one's own onboarding is: by query from Temporal, and from the outbox."""
    user = get_object_or_404(User, pk=request.user.pk)
    id = workflow_id(user.pk)
    context: dict[str, Any] = {"emails": user.emails.order_by("not_before"), "workflow_id": id}
    try:
        context["workflow"] = observe(id, UserOnboardingWorkflow.state)
    except client.UNAVAILABLE as error:
        logger.warning("%s cannot be seen: %s", id, error)
        context["unavailable"] = True
    template = "workflows/_onboarding.html" if HtmxDetails(request) else "workflows/onboarding.html"
    return render(request, template, context)


@login_required
@require_POST
def skip_wait(request: HttpRequest) -> HttpResponse:
    """Send the follow-up now, by a signal to the workflow."""
    id = workflow_id(get_object_or_404(User, pk=request.user.pk).pk)
    try:
        signal = UserOnboardingWorkflow.skip_wait
        client.call(lambda temporal: temporal.get_workflow_handle(id).signal(signal))
    except client.UNAVAILABLE as error:
        logger.warning("The wait of %s cannot be skipped: %s", id, error)
        messages.warning(request, "The wait could not be skipped: Temporal does not take it now.")
    else:
        messages.success(request, "The follow-up is on its way.")
    return redirect("workflows:onboarding")
