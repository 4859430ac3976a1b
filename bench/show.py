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
    ("io", "tasks/s per MiB", "Waiting tasks/s per MiB"),
    ("signup", "p95, ms", "Sign-up, 10 visitors: p95, ms"),
    ("telemetry", "tasks/s", "Celery no-ops/s, with stories"),
    ("stack", "seconds", "Warm start of a stack: s"),
    ("generate", "ms", "A new project: ms"),
    ("announcement", None, "Announcement: worker's MiB by second"),
)
OURS, OTHER = "#0b7285", "#adb5bd"
START, END = "<!-- `just bench` writes this table -->", "<!-- to here -->"


def results(folder: Path) -> dict[str, dict]:
    """What has been measured, by benchmark."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def plot(folder: Path) -> None:
    """Draw bench.svg: the medians, with the range of the rounds."""
    found = results(folder)
    panels = [panel for panel in PANELS if panel[0] in found]
    plt.rcParams |= {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "slipway"}
    rows = -(-len(panels) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(11, 1.7 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for (name, what, title), axis in zip(panels, figure.axes, strict=True):
        axis.set_title(title, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        if what is None:
            course = found[name]["course"]
            axis.plot([row[0] for row in course], [row[2] for row in course], color=OURS)
            axis.set_ylim(0)
            continue
        samples = found[name]["samples"]
        values = {who: figures[what] for who, figures in samples.items() if what in figures}
        middles = [statistics.median(rounds) for rounds in values.values()]
        pairs = list(zip(middles, values.values(), strict=True))
        reach = [[m - min(r) for m, r in pairs], [max(r) - m for m, r in pairs]]
        colours = [OURS if who.startswith(("Slipway", "just", "nix")) else OTHER for who in values]
        axis.barh(list(values), middles, xerr=reach, color=colours, ecolor="#495057")
        for place, (middle, rounds) in enumerate(pairs):
            at = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            axis.annotate(f"{middle:.3g}", (max(rounds), place), **at)
        axis.margins(x=0.2)
        axis.invert_yaxis()
    figure.tight_layout()
    figure.savefig(folder / "bench.svg", metadata={"Date": None})
    plt.close(figure)


def readme(folder: Path, file: Path = common.ROOT / "README.md") -> None:
    """Write the goals into the README, between the two marks."""
    lines = common.table([goal for one in results(folder).values() for goal in one["goals"]])
    block = "\n".join([START, *lines, END])
    text = re.sub(f"{START}.*?{END}", lambda _: block, file.read_text(), flags=re.DOTALL)
    file.write_text(text)
