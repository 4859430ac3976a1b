from django.conf import settings
from django.http import HttpRequest


def project(request: HttpRequest) -> dict[str, str]:
    """The project's name, for page titles."""
    return {"PROJECT_NAME": settings.PROJECT_NAME}
