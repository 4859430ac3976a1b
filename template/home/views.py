from django.apps import apps
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from stack import client

from . import mailbox
from .health import check_dependencies


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """The start page: who is signed in, what runs, and what each backend has to show."""
    fragments = [
        app.start_page_template
        for app in apps.get_app_configs()
        if hasattr(app, "start_page_template")
    ]
    return render(
        request,
        "home/start.html",
        {"fragments": fragments, "mailbox": mailbox.folder(), **_processes()},
    )


@never_cache
@require_safe
def processes(request: HttpRequest) -> HttpResponse:
    """The live state of the processes, which the start page asks for again and again."""
    return render(request, "home/_processes.html", _processes())


@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """The e-mails that development wrote to files. There is no such page in production."""
    if not settings.DEBUG or mailbox.folder() is None:
        raise Http404
    return render(
        request, "home/mails.html", {"mails": mailbox.newest(), "folder": mailbox.folder()}
    )


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 if every dependency works, else 503; one entry a dependency."""
    results = check_dependencies()
    healthy = all(result == "ok" for result in results.values())
    return JsonResponse(results, status=200 if healthy else 503)


def _processes() -> dict:
    # Outside development somebody else runs the processes, and a visitor need not know them.
    return {"processes": client.processes() if settings.DEBUG else None}
