import logging

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.middleware import HtmxDetails
from temporalio.client import WorkflowUpdateFailedError

from workflows import client

from .activities import DecisionInput, may_approve
from .forms import DecisionForm, RequestForm
from .models import ApprovalRequest, Reason
from .start import decide, start_approval
from .workflow import EXPIRE_AFTER, REMIND_AFTER

logger = logging.getLogger(__name__)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def requests(request: HttpRequest) -> HttpResponse:
    """One's own requests, everybody's for those who may see or decide, and a form for the next.

    From the database alone: the page is there without Temporal too.
    """
    form = RequestForm(request.POST or None)
    if form.is_valid():
        _ask(request, form)
        return redirect("approvals:list")
    context = {
        "form": form,
        "requests": _visible(request)[:50],
        "remind_after": REMIND_AFTER.days,
        "expire_after": EXPIRE_AFTER.days,
    }
    template = "approvals/_requests.html" if HtmxDetails(request) else "approvals/list.html"
    return render(request, template, context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, request_id: int) -> HttpResponse:
    """One request. Who may approve decides here, though nobody on their own request."""
    approval = get_object_or_404(_visible(request), pk=request_id)
    may_decide = may_approve(request.user) and approval.requester != request.user
    if request.method == "POST" and not may_decide:
        raise PermissionDenied
    form = DecisionForm(request.POST or None)
    if form.is_valid():
        _decide(request, approval, form)
        return redirect("approvals:detail", approval.pk)
    context = {"approval": approval, "form": form, "may_decide": may_decide}
    context["expires_at"] = approval.asked_at + EXPIRE_AFTER
    return render(request, "approvals/detail.html", context)


def _visible(request: HttpRequest) -> QuerySet[ApprovalRequest]:
    approvals = ApprovalRequest.objects.select_related("requester", "decision__decided_by")
    if may_approve(request.user) or request.user.has_perm("approvals.view_approvalrequest"):
        return approvals
    return approvals.filter(requester_id=request.user.pk)


def _ask(request: HttpRequest, form: RequestForm) -> None:
    approval = form.save(commit=False)
    approval.requester = request.user
    approval.token = form.cleaned_data["token"]
    try:
        with transaction.atomic(durable=True):  # committed now, so that a worker finds it
            approval.save()
    except IntegrityError:
        # The same form once more, as by a double click.
        if not ApprovalRequest.objects.filter(token=approval.token).exists():
            raise
        messages.info(request, "You have asked already.")
        return
    try:
        start_approval(approval)
    except client.UNAVAILABLE as error:
        logger.warning("Request %s is not started yet: %s", approval.pk, error)
        messages.warning(
            request, "You have asked, but it is held up: Temporal does not take it yet."
        )
    else:
        messages.success(request, "You have asked. Somebody else decides.")


def _decide(request: HttpRequest, approval: ApprovalRequest, form: DecisionForm) -> None:
    reason = Reason(request=approval, text=form.cleaned_data["reason"])
    if reason.text:
        reason.author_id = request.user.pk  # type: ignore[assignment]  # somebody is logged in
        reason.save()
    decision = DecisionInput(
        request_id=approval.pk,
        approver_id=request.user.pk,  # type: ignore[arg-type]  # somebody is logged in
        approved=form.cleaned_data["answer"] == "approve",
        reason_id=reason.pk or 0,
    )
    try:
        state = decide(decision)
    except WorkflowUpdateFailedError as error:
        messages.warning(request, f"The decision was refused: {error.cause}")
    except client.UNAVAILABLE as error:
        approval.refresh_from_db()
        if approval.state != ApprovalRequest.State.WAITING:
            messages.warning(request, f"It is {approval.state} already.")
            return
        logger.warning("Request %s cannot be decided: %s", approval.pk, error)
        messages.warning(
            request,
            "The decision is not confirmed: no worker answered in time. Try again in a moment;"
            " deciding the same twice changes nothing.",
        )
    else:
        messages.success(request, f"It is {state}.")
