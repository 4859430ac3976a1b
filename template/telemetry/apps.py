from django.apps import AppConfig
from django.conf import settings


class TelemetryConfig(AppConfig):
    """One story for each request: traces over every process. What is where: README.md."""

    name = "telemetry"
    url_prefix = "stories"
    start_page_template = "telemetry/start_page.html"

    def ready(self) -> None:
        from . import links, tracing

        tracing.set_up()
        if settings.TELEMETRY_STORE:
            links.add()
