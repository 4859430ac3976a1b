import logging
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.middleware import HtmxDetails
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from workflows import client
from workflows.observe import status_name

from .activities import ExportInput, Progress, path
from .workflow import ExportWorkflow

logger = logging.getLogger(__name__)


# Whoever may see all users may export them. Staff without this permission see the page alone.
PERMISSION = "accounts.view_user"
PREFIX = "export-"


@dataclass
class Export:
    """One line of the page."""

    id: uuid.UUID
    status: str
    started_at: object
    rows: int
    has_file: bool


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HttpRequest) -> HttpResponse:
    """The last exports, as Temporal knows them, and a button for the next."""
    if not request.user.is_staff:
        raise PermissionDenied
    if request.method == "POST":
        _require_permission(request)
        _start(request)
        return redirect("exports:list")
    context: dict[str, object] = {"may_export": request.user.has_perm(PERMISSION)}
    try:
        context["exports"] = client.call(_last_exports)
    except client.UNAVAILABLE as error:
        logger.warning("Exports cannot be listed: %s", error)
        context["unavailable"] = True
    template = "exports/_exports.html" if HtmxDetails(request) else "exports/list.html"
    return render(request, template, context)


@login_required
@require_POST
def cancel(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Ask the workflow to stop. It tidies up first. No other workflow can be stopped here."""
    _require_permission(request)
    try:
        client.call(lambda temporal: _cancel(temporal, workflow_id(export_id)))
    except client.UNAVAILABLE as error:
        logger.warning("%s cannot be cancelled: %s", export_id, error)
        messages.warning(request, "It could not be cancelled: Temporal does not take it now.")
    return redirect("exports:list")


@login_required
@require_safe
def download(request: HttpRequest, export_id: uuid.UUID) -> FileResponse:
    """The finished file."""
    _require_permission(request)
    try:
        return FileResponse(path(workflow_id(export_id)).open("rb"), as_attachment=True)
    except FileNotFoundError:
        raise Http404 from None


def workflow_id(export_id: uuid.UUID) -> str:
    return f"{PREFIX}{export_id}"


def _require_permission(request: HttpRequest) -> None:
    if not (request.user.is_staff and request.user.has_perm(PERMISSION)):
        raise PermissionDenied


def _start(request: HttpRequest) -> None:
    try:
        client.call(
            lambda temporal: temporal.start_workflow(
                ExportWorkflow.run,
                ExportInput(until=timezone.now()),
                id=workflow_id(uuid.uuid4()),
                task_queue=settings.TEMPORAL_TASK_QUEUE,
            )
        )
    except client.UNAVAILABLE as error:
        logger.warning("No export can be started: %s", error)
        messages.warning(request, "The export was not started: Temporal does not take it now.")


async def _cancel(temporal: Client, id: str) -> None:
    handle = temporal.get_workflow_handle(id)
    try:
        description = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Http404 from None
        raise
    if description.workflow_type != ExportWorkflow.__name__:
        raise Http404
    await handle.cancel()


async def _last_exports(temporal: Client) -> list[Export]:
    query = f'WorkflowType = "{ExportWorkflow.__name__}"'
    found = [workflow async for workflow in temporal.list_workflows(query, limit=10)]
    return [
        Export(
            id=export_id,
            status=status_name(workflow),
            started_at=workflow.start_time,
            rows=await _rows(temporal, workflow.id)
            if workflow.status is WorkflowExecutionStatus.RUNNING
            else 0,
            has_file=path(workflow.id).exists(),
        )
        for workflow in found
        if (export_id := _export_id(workflow.id))
    ]


def _export_id(workflow_id: str) -> uuid.UUID | None:
    """What stands in our addresses for it; None for one that was started in another way."""
    try:
        export_id = uuid.UUID(workflow_id.removeprefix(PREFIX))
    except ValueError:
        return None
    return export_id if f"{PREFIX}{export_id}" == workflow_id else None


async def _rows(temporal: Client, workflow_id: str) -> int:
    """How many rows the activity has reported with its last heartbeat."""
    description: WorkflowExecutionDescription = await temporal.get_workflow_handle(
        workflow_id
    ).describe()
    for activity in description.raw_description.pending_activities:
        if activity.heartbeat_details.payloads:
            progress, *_ = await temporal.data_converter.decode(
                activity.heartbeat_details.payloads, [Progress]
            )
            return progress.rows
    return 0
