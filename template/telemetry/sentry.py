"""Sends what is logged as an error to Sentry: its type, its stack and its trace, and no texts."""

import re
from typing import Any

import sentry_sdk
from django.conf import settings
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.integrations.stdlib import StdlibIntegration
from sentry_sdk.types import Event, Hint

from .logs import work

# What is kept of an event, and of an error in it. A new field of a new SDK is left out.
OF_EVENT = {"event_id", "timestamp", "platform", "level", "logger", "sdk", "modules"}
OF_EVENT |= {"environment", "release", "server_name"}
OF_ERROR = {"type", "module", "mechanism", "stacktrace"}
# Who logs an error's text as it stands may log an address with it.
ADDRESS = re.compile(r"\S+@\S+")
# Where libraries append what they were doing, and with what.
APPENDED = re.compile(r" \(?\{'|\n")
# Characters of a line.
LONGEST = 500


def set_up() -> None:
    """Send errors from this process, and from those that it forks.

    Without the SDK's integrations of Django and Celery: they would send requests and arguments, and
    trace once more. All that fails is logged, and so are Temporal's activities.
    """
    sentry_sdk.init(
        settings.SENTRY_DSN,
        auto_enabling_integrations=False,
        disabled_integrations=[ArgvIntegration, StdlibIntegration],
        auto_session_tracking=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=cleaned,
    )
    ignore_logger("django.security.*")  # anybody can cause these
    ignore_logger("django.server")  # runserver's lines, one for each answer


def cleaned(event: Event, hint: Hint) -> Event | None:
    """Return what may leave the process, with the trace, the task and the workflow."""
    record = hint.get("log_record")
    if record and record.name == "django.request" and not record.exc_info:
        return None  # an answer, such as that of a health check
    kept: dict[str, Any] = {key: value for key, value in event.items() if key in OF_EVENT}
    kept["tags"] = work()
    errors = event.get("exception", {}).get("values")
    # Without its arguments. A line that has none beside an error is the text of that error.
    if record and (record.args or not errors):
        text = APPENDED.split(str(record.msg))[0][:LONGEST]
        kept["logentry"] = {"message": ADDRESS.sub("…", text)}
    if errors:
        values = [{key: error[key] for key in OF_ERROR & error.keys()} for error in errors]
        kept["exception"] = {"values": values}
    span = trace.get_current_span()
    context = span.get_span_context()
    if context.is_valid:
        ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        kept["contexts"] = {"trace": ids}
    if isinstance(span, ReadableSpan):
        kept["transaction"] = span.name
    return kept  # type: ignore[return-value]
