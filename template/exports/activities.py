"""Writes all users in pieces, so that it can go on where it stopped, on whatever host."""

import csv
import io
import re
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Length
from django.utils import timezone
from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from accounts.models import User

from .models import KEPT_FOR, Export, Piece

# Rows between two heartbeats.
CHUNK = 1000
# What a spreadsheet takes for a formula, which could send its reader's data elsewhere.
FORMULA = re.compile(r"\s*[=+\-@]|[\t\r\n]")


@dataclass
class ExportInput:
    """What to export.

    Here and not beside the workflow, because it has a date: the sandbox of workflows has a
    `datetime` of its own, which nothing can be read into. This module is passed through.
    """

    # Users who sign up later are left out, however long it takes.
    until: datetime


@dataclass
class Progress:
    """How far it is complete. Each heartbeat carries it to whoever goes on, and to the page."""

    last_id: int = 0
    rows: int = 0


# Cancellation is looked for between two pieces, hence no_thread_cancel_exception.
@activity.defn(no_thread_cancel_exception=True)
def export_users(workflow_id: str, until: datetime) -> int:
    """Write all who signed up by then, and return their number.

    Goes on where an earlier attempt stopped. Should that one still run somewhere, because only its
    heartbeats got lost, both come to the same: a piece that is there is not written again.
    """
    export = _export(workflow_id)
    details = activity.info().heartbeat_details
    progress = Progress(details[0]["last_id"], details[0]["rows"]) if details else Progress()
    while piece := _piece(export, progress.last_id, until):
        progress = Progress(piece.last_id, progress.rows + piece.rows)
        activity.heartbeat(progress)
        _stop_if_asked(export)
    return _complete(export)


@activity.defn(no_thread_cancel_exception=True)
def expire_exports() -> None:
    """Delete what was asked for too long ago, whatever became of it."""
    over = [Export.State.CANCELED, Export.State.EXPIRED]
    old = Export.objects.filter(asked_at__lte=timezone.now() - KEPT_FOR)
    for export in old.exclude(state__in=over):
        export.end(Export.State.EXPIRED)


def _export(workflow_id: str) -> Export:
    # Whoever reaches Temporal can start a workflow with any id.
    try:
        return Export.objects.get(pk=uuid.UUID(workflow_id.removeprefix("export-")))
    except (ValueError, Export.DoesNotExist):
        raise ApplicationError(f"Nobody asked for {workflow_id!r}.", non_retryable=True) from None


def _piece(export: Export, after: int, until: datetime) -> Piece | None:
    """The piece after this user, written now unless it is there; None if there is nothing more."""
    rows = _users_after(after, until)
    if not rows:
        return None
    with transaction.atomic():
        if _locked(export).state == Export.State.COMPLETED:
            return None
        return export.pieces.get_or_create(
            after=after,
            defaults={"last_id": rows[-1][0], "rows": len(rows), "content": _as_csv(rows)},
        )[0]


def _complete(export: Export) -> int:
    with transaction.atomic():
        export = _locked(export)
        if export.state != Export.State.COMPLETED:
            export.rows, export.size = export.pieces.aggregate(
                rows=Sum("rows", default=0), size=Sum(Length("content"), default=0)
            ).values()
            export.state = Export.State.COMPLETED
            export.save()
    return export.rows


def _locked(export: Export) -> Export:
    """The row as it is now, and stays until the end of the transaction."""
    export = Export.objects.select_for_update().get(pk=export.pk)
    if export.state in (Export.State.CANCELED, Export.State.EXPIRED):
        raise ApplicationError(f"{export} is {export.state}.", non_retryable=True)
    return export


def _stop_if_asked(export: Export) -> None:
    if activity.is_worker_shutdown():
        # A failure like any other: another worker goes on.
        raise ApplicationError("The worker stops.", type="WorkerStops")
    if activity.is_cancelled():
        # Also if Temporal has given this attempt up. Then the export is another one's.
        details = activity.cancellation_details()
        if details and details.cancel_requested:
            export.end(Export.State.CANCELED)
        raise CancelledError("The export was cancelled.")


def _users_after(last_id: int, until: datetime) -> list[tuple]:
    users = User.objects.filter(pk__gt=last_id, date_joined__lte=until).order_by("pk")
    return list(users.values_list("pk", "email", "name", "date_joined")[:CHUNK])


def _as_csv(rows: list[tuple]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_as_text(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _as_text(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell
