"""Recorded histories of workflows, which the tests replay against the code of today.

A workflow that is running when its code changes goes on with the new code, and finds its way by
replaying its history. Code that does other steps in another order gets stuck there. So a test
replays what really happened with every older version of the code.
"""

import json
from pathlib import Path

from temporalio.client import Client, WorkflowHistory

FOLDER = Path(__file__).resolve().parent / "tests" / "histories"


async def record(temporal: Client, workflow_id: str, name: str) -> Path:
    """Write the history of the workflow's last run into `FOLDER` by that name; return the file."""
    history = await temporal.get_workflow_handle(workflow_id).fetch_history()
    started = history.events[0].workflow_execution_started_event_attributes
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{started.workflow_type.name}.{name}.json"
    file.write_text(json.dumps(_without_machines(history), indent=1) + "\n")
    return file


def _without_machines(history: WorkflowHistory) -> dict:
    """The history without the names of the machines that ran it, and without paths on them."""
    identities = set()

    def look(part: dict) -> dict:
        identities.add(part.get("identity"))
        part.pop("stackTrace", None)
        return part

    text = json.dumps(json.loads(history.to_json(), object_hook=look))
    for identity in identities - {None, ""}:  # also a part of some queue's name
        text = text.replace(identity, "worker")
    return json.loads(text)


def recorded() -> list[Path]:
    """The files of all recorded histories."""
    return sorted(FOLDER.glob("*.json"))


def load(file: Path) -> WorkflowHistory:
    """Read a recorded history."""
    history = WorkflowHistory.from_json("", file.read_text())
    started = history.events[0].workflow_execution_started_event_attributes
    return WorkflowHistory(started.workflow_id, history.events)
