"""Log lines, each with what it belongs to: in a story, over OTLP, and in production as JSON."""

import json
import logging
import sys

from opentelemetry import _logs, trace
from opentelemetry.sdk.trace import TracerProvider

from .store import PATIENCE, Store

# Characters of a line that are kept, with its traceback.
LONGEST = 8000
# OpenTelemetry's numbers of the levels.
SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}

FORMATTER = logging.Formatter()


class Lines(logging.Handler):
    """Hands lines to where the spans go. `tracing.set_up` says where that is."""

    store: Store | None = None
    sends = False

    def emit(self, record: logging.LogRecord) -> None:
        context = trace.get_current_span().get_span_context()
        kept = self.store if context.trace_flags.sampled else None
        # Not that the viewer is away: it would be one more line for the viewer each time.
        sends = self.sends and not record.name.startswith("opentelemetry.")
        if not kept and not sends:
            return
        try:
            time, text = int(record.created * 1e9), FORMATTER.format(record)[:LONGEST]
        except Exception:
            self.handleError(record)
            return
        if kept:
            ids = (f"{context.trace_id:032x}", f"{context.span_id:016x}")
            kept.put((*ids, time, record.levelname, record.name, text))
        if sends:
            _logs.get_logger(record.name).emit(
                timestamp=time,
                severity_number=_logs.SeverityNumber(SEVERITIES.get(record.levelname, 9)),
                severity_text=record.levelname,
                body=text,
                attributes=dict(work()),
            )

    def flush(self) -> None:
        """Called, among others, by who ends the process at once: the last spans go, too."""
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            provider.force_flush(1000 * PATIENCE)
        if sentry := sys.modules.get("sentry_sdk"):
            sentry.flush(PATIENCE)


class Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        line |= work()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def work() -> dict[str, str]:
    """The ids of the task and the workflow that run here. A backend that is not loaded has none."""
    ids = {}
    celery, activity = sys.modules.get("celery"), sys.modules.get("temporalio.activity")
    if celery and celery.current_task and celery.current_task.request.id:
        ids["task_id"] = celery.current_task.request.id
    if activity and activity.in_activity():
        ids["workflow_id"] = activity.info().workflow_id
    elif activity and sys.modules["temporalio.workflow"].in_workflow():
        ids["workflow_id"] = sys.modules["temporalio.workflow"].info().workflow_id
    return ids
