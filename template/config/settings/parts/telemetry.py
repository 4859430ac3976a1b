"""Telemetry's settings, included by `config/settings`. See `telemetry/.env.example`."""

from config.env import boolean, malformed, text, url

TELEMETRY_STORE = boolean("TELEMETRY_STORE", default=DEBUG)
TELEMETRY_FILE = DATA_DIR / "telemetry.sqlite3"
# The SDK reads it itself, and says less of a mistake.
TELEMETRY_ENDPOINT = text("OTEL_EXPORTER_OTLP_ENDPOINT")
if TELEMETRY_ENDPOINT:
    url("OTEL_EXPORTER_OTLP_ENDPOINT", "", ("http", "https"))

SENTRY_DSN = text("SENTRY_DSN")
if SENTRY_DSN:
    from sentry_sdk.utils import Dsn

    try:
        Dsn(SENTRY_DSN)
    except ValueError as error:
        raise malformed("SENTRY_DSN", "…", f"a DSN of Sentry: {error}") from None

# After what answers probes of health. A page that asks for its state again and again has no story.
MIDDLEWARE.insert(1, "telemetry.tracing.without_polls")

LOGGING["handlers"]["telemetry"] = {"class": "telemetry.logs.Lines"}
LOGGING["root"]["handlers"] += ["telemetry"]
LOGGING["loggers"]["opentelemetry"] = {"level": "ERROR"}  # not each retry to reach a viewer
LOGGING["formatters"]["json"] = {"()": "telemetry.logs.Json"}
if not DEBUG:
    LOGGING["handlers"]["console"]["formatter"] = "json"
