import logging

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
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
def onboarding(request: HttpRequest, user_id: int | None = None) -> HttpResponse:
    """How far a user's onboarding is, or one's own: by query from Temporal, and from the outbox."""
    user = _user(request, user_id or request.user.pk)
    context = {
        "subject": user,
        "emails": user.emails.order_by("not_before"),
        "workflow_id": workflow_id(user.pk),
    }
    try:
        context["workflow"] = observe(workflow_id(user.pk), UserOnboardingWorkflow.state)
    except client.UNAVAILABLE as error:
        logger.warning("The onboarding of user %s cannot be seen: %s", user.pk, error)
        context["unavailable"] = True
    template = "workflows/_onboarding.html" if HtmxDetails(request) else "workflows/onboarding.html"
    return render(request, template, context)


@login_required
@require_POST
def skip_wait(request: HttpRequest, user_id: int) -> HttpResponse:
    """Send the follow-up now, by a signal to the workflow."""
    user = _user(request, user_id, "accounts.change_user")
    try:
        client.call(
            lambda temporal: temporal.get_workflow_handle(workflow_id(user.pk)).signal(
                UserOnboardingWorkflow.skip_wait
            )
        )
    except client.UNAVAILABLE as error:
        logger.warning("The wait of user %s cannot be skipped: %s", user.pk, error)
        messages.warning(
            request, "The wait could not be skipped: Temporal does not take it at the moment."
        )
    else:
        messages.success(request, "The follow-up is on its way.")
    return redirect("workflows:onboarding", user.pk)


def _user(request: HttpRequest, user_id: int | None, *permissions: str) -> User:
    """Oneself, or for staff with these permissions somebody else."""
    may = request.user.is_staff and request.user.has_perms(permissions)
    if user_id != request.user.pk and not may:
        raise PermissionDenied
    return get_object_or_404(User, pk=user_id)
