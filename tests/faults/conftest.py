"""Fixtures for the tests of faults: those of each app of the template, and this folder's own."""

from pathlib import Path

HERE = Path(__file__).parent
TEMPLATE = HERE.parent.parent / "template"

pytest_plugins = [
    "fault_table",
    *(f"{file.parent.name}.fixtures" for file in TEMPLATE.glob("*/fixtures.py")),
    # `celery_processes.py` and the like: what only these tests need of a part.
    *(file.stem for file in HERE.glob("*_processes.py")),
]
