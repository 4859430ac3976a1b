import logging
import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.middleware import HtmxDetails
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workflows import client
from workflows.observe import status_name

from .activities import ExportInput, Progress
from .models import Export
from .workflow import ExportWorkflow

logger = logging.getLogger(__name__)

# Staff without this permission see the page alone.
PERMISSION = "exports.add_export"


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HttpRequest) -> HttpResponse:
    """The last exports and who asked for them, and a button for the next."""
    if not request.user.is_staff:
        raise PermissionDenied
    if request.method == "POST":
        _require_permission(request)
        _start(request)
        return redirect("exports:list")
    shown = list(Export.objects.select_related("asked_by")[:10])
    context = {"may_export": request.user.has_perm(PERMISSION), "exports": shown}
    running = [export for export in shown if export.state == Export.State.RUNNING]
    try:
        client.call(lambda temporal: _look_at(temporal, running))
    except client.UNAVAILABLE as error:
        logger.warning("Exports cannot be looked at: %s", error)
        context["unavailable"] = True
    template = "exports/_exports.html" if HtmxDetails(request) else "exports/list.html"
    return render(request, template, context)


@login_required
@require_POST
def cancel(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Ask the workflow to stop. It tidies up first. No other workflow can be stopped here."""
    _require_permission(request)
    export = get_object_or_404(Export, pk=export_id)
    try:
        client.call(lambda temporal: temporal.get_workflow_handle(export.workflow_id).cancel())
    except client.UNAVAILABLE as error:
        logger.warning("%s cannot be cancelled: %s", export, error)
        messages.warning(
            request, "It was not cancelled: it has ended, or Temporal does not take it now."
        )
    return redirect("exports:list")


@never_cache
@login_required
@require_safe
def download(request: HttpRequest, export_id: uuid.UUID) -> StreamingHttpResponse:
    """The finished file, without having all of it in memory."""
    _require_permission(request)
    export = get_object_or_404(Export, pk=export_id, state=Export.State.COMPLETED)
    headers = {
        "Content-Disposition": f'attachment; filename="{export}.csv"',
        # By it, a browser knows a download that broke off.
        "Content-Length": str(export.size),
    }
    return StreamingHttpResponse(export.content(), content_type="text/csv", headers=headers)


def _require_permission(request: HttpRequest) -> None:
    if not (request.user.is_staff and request.user.has_perm(PERMISSION)):
        raise PermissionDenied


def _start(request: HttpRequest) -> None:
    export = Export.objects.create(asked_by_id=request.user.pk)
    try:
        client.call(
            lambda temporal: temporal.start_workflow(
                ExportWorkflow.run,
                ExportInput(until=export.asked_at),
                id=export.workflow_id,
                task_queue=settings.TEMPORAL_TASK_QUEUE,
            )
        )
    except client.UNAVAILABLE as error:
        # Should it have been started all the same, it finds that nobody asks for it.
        export.delete()
        logger.warning("No export can be started: %s", error)
        messages.warning(request, "The export was not started: Temporal does not take it now.")


async def _look_at(temporal: Client, running: list[Export]) -> None:
    """Set what Temporal knows better than the rows: how far they are, and a sudden end."""
    for export in running:
        try:
            description = await temporal.get_workflow_handle(export.workflow_id).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            continue  # it is about to be started
        export.state = status_name(description)
        for activity in description.raw_description.pending_activities:
            if activity.heartbeat_details.payloads:
                progress, *_ = await temporal.data_converter.decode(
                    activity.heartbeat_details.payloads, [Progress]
                )
                export.rows = progress.rows
