"""Puts the figures of the experimental line into its page, and draws its picture.

python benchmarks/experimental_page.py --work FOLDER   (that of benchmarks/experimental_line.py --work)
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import mrcfile
import numpy as np
from line_picked import STACK
from matplotlib import pyplot
from matplotlib.axes import Axes
from sklearn.metrics import roc_curve

mpl.use("Agg")
HERE = Path(__file__).parent
STORED, PAGE = HERE / "results/experimental_line.json", HERE.parent / "docs/experimental.md"
PICTURE = HERE.parent / "docs/images/experimental.png"
BEGIN, END = "<!-- figures: written by benchmarks/experimental_page.py -->\n", "<!-- end of figures -->"
LIKELIHOOD, CONTRAST = "log likelihood above an empty image", "contrast in its error bars, median"
BEST, DIFFERENCE, SHARE = "share of images that it suits best", "log likelihood an image", "share of images"
COLORS = {"D": "tab:blue", "E": "tab:orange"}
MEANS = {
    "EMPIAR-10076, 7": "empiar_10076_7.mrc",
    "with poses, 17": "aspire_sample_17x200.mrcs",
    "picked, 117": STACK,
}
WAYS = (
    "true poses\nand classes",
    "poses found in D,\ntrue classes",
    "poses and classes\nof the likelier",
    "poses found in D,\nclasses by the other tilts",
)


def main() -> None:
    """Rewrite the table; draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of particles/")
    parser.add_argument("--work", type=Path, help="folder of the run; without it only the table is written")
    options = parser.parse_args()
    before, rest = PAGE.read_text().split(BEGIN)
    table = make_table(json.loads(STORED.read_text())["rows"])
    PAGE.write_text(before + BEGIN + "\n" + table + "\n" + END + rest.split(END)[1])
    if options.work is not None:
        draw(np.load(options.work / "figures.npz"), options.data)


def make_table(rows: Sequence[Mapping]) -> str:
    """Return the rows in Markdown, for each data set a table of figures and one of references."""
    text = ""
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        tried = [row["method"] for row in own if row["figure"] == LIKELIHOOD]
        text += f"### {name}\n\n"
        figures = [row for row in own if row["method"] not in tried and row["figure"] not in (DIFFERENCE, SHARE)]
        text += _make_figures(figures) if figures else ""
        text += _make_references(own, tried) if tried else ""
    return text


def _make_figures(rows: Sequence[Mapping]) -> str:
    has_shares = any(row["failed"] is not None for row in rows)
    head = ["what", "figure", "value (95 %)", "images", *(["failed", "not noticed"] if has_shares else [])]
    lines = []
    for row in rows:
        shares = [_percent(row[key]) for key in ("failed", "failed, not noticed")] if has_shares else []
        lines.append([row["method"], row["figure"], _show_value(row), row["images"] or "", *shares])
    return _tabulate(head, lines)


def _make_references(rows: Sequence[Mapping], names: Sequence[str]) -> str:
    """Return a line a reference, the likeliest first, and below it the comparisons image by image."""
    found = {(row["method"], row["figure"]): row for row in rows}
    lines = []
    for name in sorted(names, key=lambda each: -found[each, LIKELIHOOD]["value"]):
        likelihood = found[name, LIKELIHOOD]
        others = [f"{found[name, CONTRAST]['value']:.1f}", _percent(found[name, BEST]["value"])]
        lines.append([name, f"{likelihood['value']:.1f}", *others, _percent(likelihood["failed"])])
    head = ["reference", LIKELIHOOD, CONTRAST, BEST, "failed"]
    pairs = [row["method"] for row in rows if row["figure"] == DIFFERENCE]
    compared = [[name, _show_value(found[name, DIFFERENCE]), _percent(found[name, SHARE]["value"])] for name in pairs]
    return _tabulate(head, lines) + _tabulate(["compared", DIFFERENCE + " (95 %)", SHARE], compared)


def _show_value(row: Mapping) -> str:
    if row["value"] is None or np.isnan(row["value"]):
        return "-"
    interval = "" if row["95 % from"] is None else f" ({row['95 % from']:.3g} to {row['95 % to']:.3g})"
    return f"{row['value']:.3g}{interval}"


def _tabulate(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines) + "\n"


def draw(kept: Mapping[str, np.ndarray], data: Path) -> None:
    """Draw ratios, ROC curves, mean images and slices of the maps."""
    figure = pyplot.figure(figsize=(11, 11), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2.1))
    grid = above.subplots(1, 5, width_ratios=(1.6, 1.6, 1, 1, 1))
    _draw_ratios(grid[0], kept)
    _draw_curves(grid[1], kept)
    for axes, (title, name) in zip(grid[2:], MEANS.items(), strict=True):
        with mrcfile.open(data / "particles" / name, permissive=True) as mrc:
            axes.imshow(np.asarray(mrc.data, dtype=float).mean(0), cmap="gray", origin="lower")
        axes.set_title(f"mean image\n{title}", fontsize=10)
        axes.axis("off")
    _draw_slices(below.subplots(3, 5), kept)
    figure.savefig(PICTURE, dpi=90)


def _draw_ratios(axes: Axes, kept: Mapping[str, np.ndarray]) -> None:
    bins = np.linspace(-12, 12, 49)
    for name, own in (("D", ~kept["is_e"]), ("E", kept["is_e"])):
        for key, style in (("true", "--"), ("rigid", "-")):
            label = f"{name}, {'true poses' if key == 'true' else 'searched'}"
            values = kept[f"ratio {key}"][own].clip(-12, 12)
            axes.hist(values, bins, histtype="step", density=True, color=COLORS[name], linestyle=style, label=label)
    axes.set(xlabel="log likelihood ratio of maps E and D", ylabel="share of images", yticks=[])
    axes.legend(fontsize=7, loc="upper left")
    axes.set_title("50S, simulated: which class?", fontsize=10)


def _draw_curves(axes: Axes, kept: Mapping[str, np.ndarray]) -> None:
    is_e, series = kept["is_e"], kept["particles"]
    names, place = np.unique(series, return_inverse=True)
    size = np.bincount(place)
    for key, title in (("true", "true poses"), ("rigid", "searched")):
        ratio = kept[f"ratio {key}"]
        axes.plot(*roc_curve(is_e, ratio)[:2], label=f"{title}, an image")
        mean = np.bincount(place, ratio) / size
        axes.plot(*roc_curve(np.bincount(place, is_e) > 0, mean)[:2], "--", label=f"{title}, a tilt series")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axes.set(xlabel="D taken for E", ylabel="E found", aspect="equal", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(fontsize=7, loc="lower right")
    axes.set_title(f"{len(is_e):,} images of {len(names)} particles", fontsize=10)


def _draw_slices(grid: np.ndarray, kept: Mapping[str, np.ndarray]) -> None:
    columns = [("true map\n(to 40 A)", "true {}"), *((way, f"{number} {{}}") for number, way in enumerate(WAYS))]
    for column, (title, key) in enumerate(columns):
        maps = [kept[key.format(name)] for name in "DE"]
        for row, values in enumerate((*maps, _normalize(maps[1]) - _normalize(maps[0]))):
            _show(grid[row, column], values)
        grid[0, column].set_title(title, fontsize=9)
    for row, title in enumerate(("class D", "class E", "E - D")):
        grid[row, 0].set_ylabel(title, fontsize=10)


def _normalize(values: np.ndarray) -> np.ndarray:
    return values / values.std()


def _show(axes: Axes, values: np.ndarray) -> None:
    middle = len(values) // 2
    axes.imshow(values[middle, 5:-5, 5:-5], cmap="gray", origin="lower", interpolation="bicubic")
    axes.set(xticks=[], yticks=[])


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


if __name__ == "__main__":
    main()
