"""The plot and the README's table, from the files that the benchmarks have written."""

import json
import re
import statistics
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from bench import common

# The benchmark, what it measured, and the panel's title.
PANELS = (
    ("temporal", "one at a time, ms", "A workflow, idle server: ms"),
    ("temporal", "workflows/s", "50 in flight: workflows/s"),
    ("temporal", "p95, s", "50 in flight: p95, s"),
    ("celery", "tasks/s", "Celery no-ops/s, -c 2"),
    ("io", "tasks/s per MiB", "100 ms of waiting: tasks/s per MiB"),
    ("signup", "p95, ms", "Sign-up, 10 visitors: p95, ms"),
    ("stack", "seconds", "Warm start of a stack: s"),
    ("generate", "ms", "A new project: ms"),
)
OURS, OTHER = "#0b7285", "#adb5bd"
START, END = "<!-- `just bench` writes this table -->", "<!-- to here -->"


def results(folder: Path) -> dict[str, dict]:
    """What has been measured, by benchmark."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def plot(folder: Path) -> None:
    """Draw docs/bench/bench.svg: the medians, with the range of the rounds."""
    found = results(folder)
    panels = [panel for panel in PANELS if panel[0] in found]
    course = found.get("announcement", {}).get("course")
    count = len(panels) + bool(course)
    plt.rcParams |= {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "slipway"}
    figure, axes = plt.subplots(-(-count // 3), 3, figsize=(10, 1.9 * -(-count // 3)), squeeze=False)
    places = list(axes.flat)
    for (name, what, title), axis in zip(panels, places, strict=False):
        samples = found[name]["samples"]
        values = {who: measures[what] for who, measures in samples.items() if what in measures}
        middles = [statistics.median(rounds) for rounds in values.values()]
        ranges = [
            [middle - min(rounds) for middle, rounds in zip(middles, values.values(), strict=True)],
            [max(rounds) - middle for middle, rounds in zip(middles, values.values(), strict=True)],
        ]
        colours = [OURS if who.startswith(("Slipway", "just", "nix")) else OTHER for who in values]
        bars = axis.barh(list(values), middles, xerr=ranges, color=colours, ecolor="#495057")
        axis.bar_label(bars, [f" {middle:.3g}" for middle in middles], label_type="center")
        axis.set_title(title, loc="left")
        axis.invert_yaxis()
    if course:
        axis = places[len(panels)]
        axis.plot([row[0] for row in course], [row[2] for row in course], color=OURS)
        axis.set_ylim(0)
        size = found["announcement"]["settings"]["users"]
        axis.set_title(f"{size:,} e-mails: worker's MiB by second", loc="left")
    for axis in places[count:]:
        axis.remove()
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(folder / "bench.svg", metadata={"Date": None})
    plt.close(figure)


def readme(folder: Path, file: Path = common.ROOT / "README.md") -> None:
    """Write the goals into the README, between the two marks."""
    text = file.read_text()
    lines = common.table([goal for one in results(folder).values() for goal in one["goals"]])
    block = "\n".join([START, *lines, END])
    file.write_text(re.sub(f"{START}.*?{END}", lambda _: block, text, flags=re.DOTALL))
