"""Traces tasks: their messages carry the trace.

OpenTelemetry's own instrumentation leaves its span of a message that Redis did not take current:
from then on, all that beat does would be one story.
"""

from typing import Any

from celery import Task, signals
from django.conf import settings
from opentelemetry import context, propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from .logs import Json, Lines

tracer = trace.get_tracer("telemetry.celery")


@signals.before_task_publish.connect
def send(sender: str, headers: dict[str, Any], routing_key: str, **_: object) -> None:
    attributes = _attributes("send", headers.get("id", ""), routing_key)
    # Nothing is below it: it need not be the current one, which would cost half as much again.
    span = tracer.start_span(f"send {sender}", None, SpanKind.PRODUCER, attributes)
    propagate.inject(headers, trace.set_span_in_context(span))
    span.end()


@signals.task_prerun.connect
def start(task: Task, task_id: str, **_: object) -> None:
    request = task.request
    parent = propagate.extract({"traceparent": getattr(request, "traceparent", None) or ""})
    queue = (request.delivery_info or {}).get("routing_key") or ""
    attributes = _attributes("process", task_id, queue)
    span = tracer.start_span(f"process {task.name}", parent, SpanKind.CONSUMER, attributes)
    request.span = span, context.attach(trace.set_span_in_context(span, parent))


@signals.task_postrun.connect
def end(task: Task, **_: object) -> None:
    if found := getattr(task.request, "span", None):
        span, token = found
        span.end()
        context.detach(token)


@signals.task_failure.connect
def fail(sender: Task, exception: BaseException, **_: object) -> None:
    _mark(sender.request, exception)


@signals.task_retry.connect
def retry(request: Any, reason: BaseException, **_: object) -> None:
    _mark(request, getattr(reason, "exc", None) or reason)


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def add_handler(logger: Any, **_: object) -> None:
    """A worker puts handlers of its own in the place of those in the settings."""
    for handler in logger.handlers if not settings.DEBUG else []:
        handler.setFormatter(Json())
    if not any(isinstance(handler, Lines) for handler in logger.handlers):
        logger.addHandler(Lines())


def _attributes(operation: str, task_id: str, queue: str) -> dict[str, str]:
    return {
        "messaging.system": "celery",
        "messaging.operation.name": operation,
        "messaging.destination.name": queue,
        "messaging.message.id": task_id,
    }


def _mark(request: Any, error: BaseException) -> None:
    # In a worker's main process, for a task whose own was killed, there is no span.
    if found := getattr(request, "span", None):
        found[0].set_attribute("error.type", type(error).__name__)
        found[0].set_status(Status(StatusCode.ERROR))
