"""Checks the project's dependencies.

An app names its checks in its config: ``health_checks = {"search": "search.health.check"}``.
A check is called without arguments, in a thread of its own; it returns if the dependency works
and raises if not.

Likewise an app says how its work goes: ``work = {"invoices.dunning": "invoices.work.count"}``. In
the admin of that model staff decide on what failed; the function counts, in less than a second:
``{"failed": 0, "waiting": 3}``.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.apps import apps
from django.db import connection
from django.utils.module_loading import import_string

# Seconds after which a dependency that does not answer counts as down.
TIMEOUT = 1.0

logger = logging.getLogger(__name__)
# Load balancers ask again and again; only a change is news.
_last: dict[str, str] = {}
# Checks that have not come back: asking once more would cost one more thread each time.
_hanging: dict[str, Future] = {}


def check_dependencies() -> dict[str, str]:
    """Return "ok" or "down" for each dependency. Details of an error go to the log only."""
    checks = {
        name: import_string(path)
        for app in apps.get_app_configs()
        for name, path in getattr(app, "health_checks", {}).items()
    }
    pool = ThreadPoolExecutor(max_workers=len(checks))
    running = {
        name: _hanging.get(name) or pool.submit(_close_connection_after, check)
        for name, check in checks.items()
    }
    results = {}
    for name, future in running.items():
        try:
            future.result(TIMEOUT)
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
    _hanging.clear()
    _hanging.update((name, future) for name, future in running.items() if not future.done())
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
