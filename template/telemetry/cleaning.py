"""What of a span leaves its process: ids, and no names, addresses or texts that somebody wrote."""

import os
import re
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import Status, StatusCode

# Attributes that tell of a person: paths hold tokens, and addresses are somebody's.
PRIVATE = ("url.", "client.", "network.", "user_agent.")
QUERY = "db.query.text"
# A text within an SQL statement, where it is not a parameter.
LITERAL = re.compile(r"'(?:[^']|'')*'")
# Characters of a statement.
LONGEST = 2000


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes that may be kept."""
    kept = {
        key: value for key, value in (span.attributes or {}).items() if not key.startswith(PRIVATE)
    }
    if QUERY in kept:
        kept[QUERY] = LITERAL.sub("'…'", str(kept[QUERY])[:LONGEST])
    return kept


def error_of(span: ReadableSpan) -> str | None:
    """Return the type of the error that ended the span. What it says may hold an address."""
    attributes = span.attributes or {}
    # To Django's pages, one that is not there is an error, too.
    answered = str(attributes.get("http.response.status_code", ""))
    if span.status.status_code is not StatusCode.ERROR or answered.startswith("4"):
        return None
    for event in span.events:
        if event.name == "exception" and event.attributes:
            name = str(event.attributes.get("exception.type")).rpartition(".")[2]
            # Temporal's own error, before whose text stands the type that the code gave it.
            given = str(event.attributes.get("exception.message")).partition(":")[0]
            return given if name == "ApplicationError" and given.isidentifier() else name
    return str(attributes.get("error.type", "error"))


class Cleaned(SpanProcessor):
    """Hands spans on to another processor, without what is private."""

    def __init__(self, processor: SpanProcessor) -> None:
        self.processor = processor
        self.shutdown = processor.shutdown  # type: ignore[method-assign]
        self.force_flush = processor.force_flush  # type: ignore[method-assign]

    def on_end(self, span: ReadableSpan) -> None:
        attributes, error = attributes_of(span) | {"process.pid": os.getpid()}, error_of(span)
        if error:
            attributes["error.type"] = error
        self.processor.on_end(
            ReadableSpan(
                name=span.name,
                context=span.get_span_context(),
                parent=span.parent,
                resource=span.resource,
                attributes=attributes,
                links=span.links,
                kind=span.kind,
                status=Status(StatusCode.ERROR if error else StatusCode.UNSET),
                start_time=span.start_time,
                end_time=span.end_time,
                instrumentation_scope=span.instrumentation_scope,
            )
        )
