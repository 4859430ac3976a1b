"""Workflows that are running can go on with the code of today.

If not, keep the old way for them with `workflow.patched`: see README.md.
"""

import asyncio
from pathlib import Path

import pytest
from temporalio.worker import Replayer

from workflows import histories
from workflows.declarations import declared, workflow_name

# Of every app that declares a workflow.
WORKFLOWS = declared().workflows


@pytest.mark.parametrize("file", histories.recorded(), ids=lambda file: file.stem)
def test_the_code_of_today_replays(file: Path):
    asyncio.run(Replayer(workflows=WORKFLOWS).replay_workflow(histories.load(file)))


@pytest.mark.parametrize("name", [workflow_name(entry) for entry in WORKFLOWS])
def test_each_workflow_has_a_recorded_history(name: str):
    """Run the workflow, then: just manage record_history WORKFLOW_ID"""
    assert [file for file in histories.recorded() if file.name.startswith(f"{name}.")]
