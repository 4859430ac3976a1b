"""The table at the end of the run: what was done, and what it cost."""

from collections.abc import Callable

import pytest

HEAD = ("fault", "how often", "load", "lost", "doubled", "seconds to recover")


@pytest.fixture
def fault_report(record_property: Callable) -> Callable[..., None]:
    """A function that adds a row: as `HEAD`. Call it before what may fail is asserted."""

    def report(*row: object) -> None:
        assert len(row) == len(HEAD)
        record_property("fault", tuple(map(str, row)))

    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="the long faults, and full load, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    rows = [v for r in reports if r.when == "call" for k, v in r.user_properties if k == "fault"]
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    terminalreporter.section("faults")
    for row in (HEAD, tuple("-" * width for width in widths), *rows):
        cells = " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.line(f"| {cells} |")
