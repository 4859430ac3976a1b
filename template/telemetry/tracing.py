"""Traces what Django, its database, and the backends that are here do. `set_up` starts it."""

import os
import re
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse
from opentelemetry import _logs, context, trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

from .cleaning import Cleaned
from .logs import Lines
from .store import Store, process_name

# Seconds for a viewer to answer: an ending process waits for it, too.
SEND_TIMEOUT = 2
TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?([\w.]+)')

ids = RandomIdGenerator()
SCOPE = InstrumentationScope("telemetry")
# Who is told of spans: the store, a viewer.
processors: list[SpanProcessor] = []


def set_up() -> None:
    """Trace this process, and those that it forks. With nobody to tell, lines have the ids."""
    if find_spec("celery"):
        from . import celery  # noqa: F401
    if settings.SENTRY_DSN:
        from . import sentry  # only then: the SDK costs each process its import

        sentry.set_up()
    names = {"service.namespace": settings.PROJECT_NAME}
    names["service.name"] = os.environ.get("OTEL_SERVICE_NAME") or process_name()
    provider = TracerProvider(resource=Resource.create(names))
    if settings.TELEMETRY_STORE:
        Lines.store = Store(settings.TELEMETRY_FILE)
        processors.append(Lines.store)
    if settings.TELEMETRY_ENDPOINT:
        send(provider)
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)

    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # today's names of attributes
    DjangoInstrumentor().instrument(middleware_position=2)
    if settings.TELEMETRY_STORE or settings.TELEMETRY_ENDPOINT:
        connection_created.connect(trace_sql)
    options = getattr(settings, "TEMPORAL_API_OPTIONS", None)
    if options is not None:
        options["interceptors"] = Interceptors()  # also of workers with such a client


class Interceptors(Sequence):
    """Temporal's own, loaded where a client is made: most processes make none."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        from temporalio.contrib.opentelemetry import TracingInterceptor

        return [TracingInterceptor()][index]


def send(provider: TracerProvider) -> None:
    """Send spans and lines by OTLP, too. In the background: a viewer that is away slows nothing."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    spans, lines = OTLPSpanExporter(timeout=SEND_TIMEOUT), OTLPLogExporter(timeout=SEND_TIMEOUT)
    processors.append(Cleaned(BatchSpanProcessor(spans)))
    logs = LoggerProvider(resource=provider.resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(lines))
    _logs.set_logger_provider(logs)
    Lines.sends = True


def without_polls(get_response: Callable) -> Callable:
    """A middleware: pages that ask for their state again and again, and what nobody wonders about,
    have no story."""
    nothing = ("/health/", "/stories/", str(settings.STATIC_URL), str(settings.MEDIA_URL))

    def answer(request: HttpRequest) -> HttpResponse:
        polls = request.method == "GET" and "HX-Request" in request.headers
        if not polls and not request.path_info.startswith(nothing):
            return get_response(request)
        # Below it nothing is recorded. Log lines and errors have its ids.
        unsampled = SpanContext(ids.generate_trace_id(), ids.generate_span_id(), is_remote=False)
        token = context.attach(trace.set_span_in_context(NonRecordingSpan(unsampled)))
        try:
            return get_response(request)
        finally:
            context.detach(token)

    return answer


def trace_sql(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if run_sql not in connection.execute_wrappers:
        connection.execute_wrappers.append(run_sql)


def run_sql(execute: Callable, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement, in a span of its own if it is part of a story.

    Not by the SDK's tracer: with it, the story of a sign-up costs the request a third more.
    """
    above = trace.get_current_span()
    if not isinstance(above, Span) or not above.is_recording():
        return execute(sql, params, many, context)
    text = str(sql)  # psycopg takes objects, too
    operation = text.split(None, 1)[0].upper() if text.strip() else "SQL"
    table = TABLE.search(text)
    attributes = {
        "db.system.name": context["connection"].vendor,
        "db.operation.name": operation,
        "db.query.text": text,
    }
    up = above.context
    span = {
        "name": f"{operation} {table[1]}" if table else operation,
        "context": SpanContext(
            up.trace_id, ids.generate_span_id(), False, up.trace_flags, up.trace_state
        ),
        "parent": up,
        "resource": above.resource,
        "instrumentation_scope": SCOPE,
        "attributes": attributes,
        "kind": SpanKind.CLIENT,
        "start_time": time.time_ns(),
    }
    if Lines.store:
        Lines.store.put(ReadableSpan(**span))
    try:
        return execute(sql, params, many, context)
    except Exception as error:
        span["attributes"] = attributes | {"error.type": type(error).__name__}
        span["status"] = Status(StatusCode.ERROR)
        raise
    finally:
        ended = ReadableSpan(**span, end_time=time.time_ns())
        for processor in processors:
            processor.on_end(ended)
