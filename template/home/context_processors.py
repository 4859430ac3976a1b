from django.conf import settings
from django.http import HttpRequest


def project(request: HttpRequest) -> dict[str, object]:
    """The project's name, for page titles, and whether this is development."""
    return {"PROJECT_NAME": settings.PROJECT_NAME, "debug": settings.DEBUG}
