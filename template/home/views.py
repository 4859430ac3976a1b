from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.middleware import HtmxDetails

from . import mailbox
from . import processes as stack
from .health import check_dependencies, work


def project(request: HttpRequest) -> dict[str, object]:
    """What every page may show: the project's name, and whether this is development."""
    return {"PROJECT_NAME": settings.PROJECT_NAME, "debug": settings.DEBUG}


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """The start page: who is signed in, what runs, and what each app has to show."""
    configs = list(apps.get_app_configs())
    context = {
        "fragments": [app for app in configs if hasattr(app, "start_page_template")],
        "pages": [
            app
            for app in configs
            if hasattr(app, "title") and hasattr(app, "url_prefix")
            if not hasattr(app, "permission") or request.user.has_perm(app.permission)
        ],
        "mailbox": mailbox.folder(),
    }
    return render(request, "home/start.html", context | _state(request))


@never_cache
@require_safe
def processes(request: HttpRequest) -> HttpResponse:
    """The live state of work and processes, which the start page asks for again and again."""
    return render(request, "home/_processes.html", _state(request))


@require_POST
def restart(request: HttpRequest, name: str) -> HttpResponse:
    """Restart a process of the running stack, be it the one that answers. In development only."""
    state = _state(request)
    if name not in [process.name for process in state["processes"]]:
        raise Http404
    stack.restart(name)
    if HtmxDetails(request):
        return render(request, "home/_processes.html", state | {"restarting": name})
    return redirect("home")


@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """The e-mails that development wrote to files. There is no such page in production."""
    folder = mailbox.folder()
    if folder is None:
        raise Http404
    return render(request, "home/mails.html", {"mails": mailbox.newest(folder), "folder": folder})


@never_cache
@require_safe
def health(request: HttpRequest, only: Collection[str] | None = None) -> JsonResponse:
    """200 if every dependency works, or those in ``only``, else 503; one entry a dependency.

    How the work goes stands beside them for staff and in development. It changes no status.
    """
    results: dict[str, object] = dict(check_dependencies(only))
    healthy = all(result == "ok" for result in results.values())
    if only is None and _may_see_work(request) and (counts := work()):
        results["work"] = counts
    return JsonResponse(results, status=200 if healthy else 503)


def _may_see_work(request: HttpRequest) -> bool:
    # Who asks for health without a session is answered before anybody is recognised.
    return settings.DEBUG or (hasattr(request, "user") and request.user.is_staff)


def _state(request: HttpRequest) -> dict[str, Any]:
    # Outside development somebody else runs the processes, and a visitor need not know them.
    running = stack.running() if settings.DEBUG else []
    counted = work() if _may_see_work(request) else {}
    log = request.GET.get("log", "")
    return {
        "work": {apps.get_model(name)._meta: counts for name, counts in counted.items()},
        "processes": running,
        "log": log,
        "lines": stack.last_lines(log) if log in [process.name for process in running] else [],
    }
