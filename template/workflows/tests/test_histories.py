"""Workflows that are running can go on with the code of today.

If `test_the_code_of_today_replays` fails after your change, workflows that are running now would
get stuck with it. Keep the old way for them with `workflow.patched`: see README.md.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from workflows import histories
from workflows.orders.activities import Step, charge, reserve_stock, ship
from workflows.orders.workflow import OrderInput
from workflows.worker import WORKFLOWS


def replay(history: WorkflowHistory, workflows: list[type]) -> None:
    """Run the code along the history. Raises `NondeterminismError` where it does something else."""
    asyncio.run(Replayer(workflows=workflows).replay_workflow(history))


@pytest.mark.parametrize("file", histories.recorded(), ids=lambda file: file.stem)
def test_the_code_of_today_replays(file: Path):
    replay(histories.load(file), WORKFLOWS)


@pytest.mark.parametrize("workflow_class", WORKFLOWS)
def test_each_workflow_has_a_recorded_history(workflow_class: type):
    """Run the workflow, then: just record-history WORKFLOW_ID"""
    name = workflow_class.__name__
    assert [file for file in histories.recorded() if file.name.startswith(f"{name}.")]


@workflow.defn(name="OrderWorkflow", sandboxed=False)  # this file imports pytest
class ChargeFirst:
    """What somebody might make of it: charge before the stock is reserved."""

    @workflow.run
    async def run(self, input: OrderInput) -> str:
        for step in (charge, reserve_stock, ship):
            await workflow.execute_activity(
                step, Step(input.order_id, "key"), start_to_close_timeout=timedelta(seconds=5)
            )
        return "shipped"


@workflow.defn(name="OrderWorkflow", sandboxed=False)
class ReceiptWithoutPatch:
    """The step that `workflow.patched` guards, without the guard."""

    @workflow.run
    async def run(self, input: OrderInput) -> str:
        for step in (reserve_stock, charge, ship, ship):
            await workflow.execute_activity(
                step, Step(input.order_id, "key"), start_to_close_timeout=timedelta(seconds=5)
            )
        return "shipped"


@pytest.mark.parametrize("changed", [ChargeFirst, ReceiptWithoutPatch])
def test_an_incompatible_change_is_found(changed: type):
    file = histories.FOLDER / "OrderWorkflow.shipped-without-receipt.json"
    with pytest.raises(NondeterminismError):
        replay(histories.load(file), [changed])
