"""Fixtures for the tests of any app: each ``fixtures.py``."""

from pathlib import Path

pytest_plugins = [
    f"{file.parent.name}.fixtures" for file in Path(__file__).parent.glob("*/fixtures.py")
]
