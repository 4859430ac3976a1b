from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import stories


def for_staff(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let staff see it. There is nothing to see where no stories are kept."""

    @never_cache
    @login_required
    @require_safe
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied
        if not settings.TELEMETRY_STORE:
            raise Http404
        return view(request, *args, **kwargs)

    return answer


@for_staff
def newest(request: HttpRequest) -> HttpResponse:
    """The newest stories, filtered."""
    asked = {name: text for name in stories.FILTERS if (text := request.GET.get(name))}
    found = stories.newest(settings.TELEMETRY_FILE, asked)
    return render(request, "telemetry/list.html", {"stories": found, "asked": asked})


@for_staff
def story(request: HttpRequest, trace: str) -> HttpResponse:
    """One story as a waterfall."""
    found = stories.story(settings.TELEMETRY_FILE, trace)
    if found is None:
        raise Http404
    return render(request, "telemetry/story.html", {"story": found})
