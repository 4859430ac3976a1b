"""Joins the sending of an e-mail to the trace of what promised it, where there are traces."""

from contextlib import AbstractContextManager, nullcontext

from .models import Email

try:
    from opentelemetry import propagate, trace
except ImportError:
    trace = None  # type: ignore[assignment]


def current() -> str | None:
    """Return what an e-mail that is promised now belongs to, as the W3C's traceparent."""
    carrier: dict[str, str] = {}
    if trace:
        propagate.inject(carrier)
    return carrier.get("traceparent")


def sending(email: Email) -> AbstractContextManager:
    """Trace a sending, as part of the promise's trace though a sweep may do it."""
    if not trace:
        return nullcontext()
    promised, now = email.trace or "", current() or ""
    elsewhere = promised and promised[:35] != now[:35]  # up to the id of the trace
    context = propagate.extract({"traceparent": promised}) if elsewhere else None
    name, ids = f"e-mail {email.kind}", {"email.id": email.pk}
    return trace.get_tracer(__name__).start_as_current_span(name, context, attributes=ids)
