from collections.abc import Collection

from django.apps import apps
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import mailbox
from . import processes as stack
from .health import check_dependencies


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """The start page: who is signed in, what runs, and what each app has to show."""
    configs = list(apps.get_app_configs())
    context = {
        "fragments": [
            app.start_page_template for app in configs if hasattr(app, "start_page_template")
        ],
        "pages": [
            app
            for app in configs
            if hasattr(app, "title") and hasattr(app, "url_prefix")
            if not hasattr(app, "permission") or request.user.has_perm(app.permission)
        ],
        "mailbox": mailbox.folder(),
        "processes": _processes(),
    }
    return render(request, "home/start.html", context)


@never_cache
@require_safe
def processes(request: HttpRequest) -> HttpResponse:
    """The live state of the processes, which the start page asks for again and again."""
    return render(request, "home/_processes.html", {"processes": _processes()})


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
def health(request: HttpRequest, only: Collection[str] | None = None) -> JsonResponse:
    """200 if every dependency works, or those in ``only``, else 503; one entry a dependency."""
    results = check_dependencies(only)
    healthy = all(result == "ok" for result in results.values())
    return JsonResponse(results, status=200 if healthy else 503)


def _processes() -> list[stack.Process] | None:
    # Outside development somebody else runs the processes, and a visitor need not know them.
    return stack.running() if settings.DEBUG else None
