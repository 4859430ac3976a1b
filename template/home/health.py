"""Checks the project's dependencies, and lets load balancers and supervisors ask.

An app names its checks in its config: ``health_checks = {"search": "search.health.check"}``.
A check is called in a thread of its own, and raises if the dependency does not work.

Likewise an app says how its work goes: ``work = {"invoices.dunning": "invoices.work.count"}``. In
the admin of that model staff decide on what failed; the function counts, in less than a second:
``{"failed": 0, "waiting": 3}``.
"""

import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.module_loading import import_string

# Seconds after which a dependency that does not answer counts as down.
TIMEOUT = 1.0

logger = logging.getLogger(__name__)
# Load balancers ask again and again; only a change is news.
_last: dict[str, str] = {}
# The last check of each: while it has not come back, another would cost one more thread each time.
_checks: dict[str, Future] = {}


def middleware(get_response: Callable) -> Callable:
    """Answer who asks by address and without TLS. What these paths answer names no host.

    Who has a session, such as staff, goes the way of all requests, which recognises people.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        asks = request.path_info in ("/health/", "/health/ready/", "/health/live/")
        if asks and settings.SESSION_COOKIE_NAME not in request.COOKIES:
            view, args, kwargs = resolve(request.path_info)
            return view(request, *args, **kwargs)
        return get_response(request)

    return answer


def check_dependencies(only: Collection[str] | None = None) -> dict[str, str]:
    """Return "ok" or "down" for each dependency, or for those in ``only``; errors go to the log."""
    checks = {
        name: import_string(path)
        for app in apps.get_app_configs()
        for name, path in getattr(app, "health_checks", {}).items()
        if only is None or name in only
    }
    pool = ThreadPoolExecutor(max_workers=len(checks) or 1)
    for name, check in checks.items():
        if name not in _checks or _checks[name].done():
            _checks[name] = pool.submit(_close_connection_after, check)
    results = {}
    for name in checks:
        try:
            _checks[name].result(TIMEOUT)
        except Exception as error:
            results[name] = "down"
            if _last.get(name) != "down":
                logger.warning("%s is down: %s: %s", name, type(error).__name__, error)
        else:
            results[name] = "ok"
            if _last.get(name) == "down":
                logger.warning("%s is back", name)
    # A check that hangs keeps its thread, but not the answer.
    pool.shutdown(wait=False)
    _last.update(results)
    return results


def work() -> dict[str, dict[str, int]]:
    """How the work of each app goes, by the names of the models in whose admin staff decide.

    Without those that cannot say so at the moment, for example because a server is down.
    """
    counts = {}
    for app in apps.get_app_configs():
        for model, path in getattr(app, "work", {}).items():
            try:
                counts[model] = import_string(path)()
            except Exception as error:
                logger.info("%s cannot be counted: %s: %s", model, type(error).__name__, error)
    return counts


def check_database() -> None:
    """Raise unless the database answers a query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _close_connection_after(check: Callable[[], None]) -> None:
    try:
        check()
    finally:
        connection.close()
