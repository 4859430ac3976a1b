from django.conf import settings
from django.http import HttpRequest


def flower(request: HttpRequest) -> dict[str, str]:
    """Where a browser finds Flower in development."""
    return {"FLOWER_URL": settings.FLOWER_URL}
