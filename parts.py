"""What generate.py and update.py share: the list of parts, and which files belong to each."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TEMPLATE = ROOT / "template"


class Refused(Exception):
    """Why nothing was written, and what to do instead."""


class Parts(dict[str, dict]):
    """The parts of a parts.toml, by name."""

    def __init__(self, text: str) -> None:
        super().__init__(tomllib.loads(text))

    def of(self, file: str) -> str | None:
        """Return the part that *file* belongs to, or None if every variant has it."""
        for name, part in self.items():
            if any(file == entry or file.startswith(f"{entry}/") for entry in part["files"]):
                return name
        return None

    def holding(self, file: str) -> str | None:
        """Return the part in whose own folder *file* lies. Without its folder, a part is gone."""
        for name, part in self.items():
            if any(file.startswith(f"{entry}/") for entry in part["files"]):
                return name
        return None

    def with_needs(self, chosen: Iterable[str]) -> set[str]:
        """Return *chosen*, and what these parts need."""
        found: set[str] = set()
        waiting = list(chosen)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self[name]["needs"]
        return found
