"""What the installed apps declare for Temporal in their configs: README.md, "Add a workflow"."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from temporalio import activity, workflow


@dataclass(frozen=True)
class Declared:
    """What a worker runs."""

    workflows: list[type]
    activities: list[Callable]
    # Those that wait for a mail server, or for anything else that may hang.
    mail_activities: list[Callable]

    def with_fakes(self, *fakes: Callable) -> "Declared":
        """Return the same with these activities in the place of those of the same names."""
        by_name = {_activity_name(fake): fake for fake in fakes}
        activities, mail_activities = (
            [by_name.pop(_activity_name(entry), entry) for entry in real]
            for real in (self.activities, self.mail_activities)
        )
        if by_name:
            raise ValueError(f"No app declares an activity of this name: {set(by_name)}")
        return Declared(self.workflows, activities, mail_activities)


def declared() -> Declared:
    """Collect what the installed apps declare.

    Raises `ImproperlyConfigured` that names the app whose declaration is wrong.
    """
    start_missing()
    workflows = _collect("workflows", "workflow", workflow_name, {})
    activities = _collect("activities", "activity", _activity_name, {})
    mails = _collect("mail_activities", "activity", _activity_name, activities)
    return Declared([*workflows.values()], [*activities.values()], [*mails.values()])


def start_missing() -> dict[str, Callable[[datetime], None]]:
    """Return the functions that the sweep calls, by the names of their apps."""
    return {
        app.name: imported(app, "start_missing", app.start_missing)
        for app in apps.get_app_configs()
        if hasattr(app, "start_missing")
    }


# The SDK has no public way to ask whether something is decorated.
def workflow_name(entry: object) -> str | None:
    """Return the name by which Temporal knows a workflow, or None if this is none."""
    definition = isinstance(entry, type) and workflow._Definition.from_class(entry)
    return (definition.name or "dynamic") if definition else None


def imported(app: AppConfig, attribute: str, path: str) -> Any:
    """Import what the app names by a dotted path, or raise an error that names the app."""
    try:
        return import_string(path)
    except ImportError as error:
        raise wrong(app, attribute, path, str(error)) from error


def wrong(app: AppConfig, attribute: str, value: object, why: str) -> ImproperlyConfigured:
    """The error for a declaration that cannot be used."""
    return ImproperlyConfigured(f"{app.name}/apps.py: {attribute} = {value!r}: {why}.")


def _collect(
    attribute: str, what: str, name_of: Callable[[object], str | None], others: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for app in apps.get_app_configs():
        for path in getattr(app, attribute, []):
            try:
                members = vars(import_module(path)).values()
            except ModuleNotFoundError as error:
                raise wrong(app, attribute, path, str(error)) from error
            here = [entry for entry in members if getattr(entry, "__module__", None) == path]
            named = [(name, entry) for entry in here if (name := name_of(entry))]
            if not named:
                raise wrong(app, attribute, path, f"it has no @{what}.defn")
            for name, entry in named:
                if before := found.get(name) or others.get(name):
                    why = f"{what} {name} is declared already, in {before.__module__}"
                    raise wrong(app, attribute, path, why)
                found[name] = entry
    return found


def _activity_name(entry: object) -> str | None:
    definition = callable(entry) and activity._Definition.from_callable(entry)
    return (definition.name or "dynamic") if definition else None
