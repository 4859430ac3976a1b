"""Recorded histories of workflows, which the tests replay against the code of today.

README.md, "Change a workflow that is running", says why.
"""

import json
from pathlib import Path

from django.apps import apps
from temporalio.client import Client, WorkflowHistory

from .declarations import declared, workflow_name


async def record(temporal: Client, workflow_id: str, name: str) -> Path:
    """Write the history of the workflow's last run into its app, by that name; return the file."""
    history = await temporal.get_workflow_handle(workflow_id).fetch_history()
    started = history.events[0].workflow_execution_started_event_attributes
    started.workflow_id = workflow_id  # the server that skips time leaves it out
    file = folder(started.workflow_type.name) / f"{started.workflow_type.name}.{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_without_machines(history), indent=1) + "\n")
    return file


def folder(workflow_type: str) -> Path:
    """Return where the app that declares the workflow keeps its histories."""
    for entry in declared().workflows:
        if workflow_name(entry) == workflow_type:
            app = apps.get_containing_app_config(entry.__module__)
            assert app  # noqa: S101  (it declares the workflow)
            return Path(app.path) / "tests" / "histories"
    raise LookupError(f"No installed app declares the workflow {workflow_type}.")


def _without_machines(history: WorkflowHistory) -> dict:
    """The history without the names of the machines that ran it, and without paths on them."""
    identities: set[str] = set()

    def look(part: dict) -> dict:
        identities.add(part.get("identity", ""))
        part.pop("stackTrace", None)
        return part

    text = json.dumps(json.loads(history.to_json(), object_hook=look))
    for identity in identities - {""}:  # also a part of some queue's name
        text = text.replace(identity, "worker")
    return json.loads(text)


def recorded() -> list[Path]:
    """Return the files of all recorded histories, of every installed app."""
    folders = [Path(app.path) / "tests" / "histories" for app in apps.get_app_configs()]
    return sorted(file for folder in folders for file in folder.glob("*.json"))


def load(file: Path) -> WorkflowHistory:
    """Read a recorded history."""
    history = WorkflowHistory.from_json("", file.read_text())
    started = history.events[0].workflow_execution_started_event_attributes
    return WorkflowHistory(started.workflow_id, history.events)
