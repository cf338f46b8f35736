"""Maps over the views: how well each mode is seen from where, as a picture and as a table."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.tri import Triangulation
from torch import Tensor

from deephemnma.alignment.observability import Observability
from deephemnma.alignment.visibility import Visibility
from deephemnma.pipeline.report.table import Table

MOST_COLUMNS = 4
"""Maps in a row at the most."""
BEYOND_TILT = math.radians(140)
"""The map goes on so far beyond the edge, from the mirrored views, so that it is smooth up to the edge."""
SPAN = 100.0
"""Ratio of the largest to the smallest value that the colours tell apart."""
RINGS = (30, 60, 90)
BLIND = "#9aa0a6"
N_COLOURS = 33


def draw_view_maps(found: Observability, summaries: Sequence[Visibility], *, target_rmsd: float) -> Figure:
    """Draw half the sphere of views for each mode: the colour is the error bar, the line is where it is the target.

    Equal areas are equal numbers of views; the middle is the view along z, and round it goes rot. Of several defoci and
    conformations a view shows the median.
    """
    values = found.marginal.movedim(-1, 0).transpose(1, 2).flatten(2).median(-1).values / found.n_sites**0.5
    rows = -(-len(values) // MOST_COLUMNS)
    columns = -(-len(values) // rows)
    figure = Figure(figsize=(2.9 * columns + 1.0, 3.0 * rows + 0.35), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    triangles, copies = _triangulate(found.rotations)
    norm = _choose_norm(values)
    for axes, sd, mode in zip(panels, values, summaries, strict=False):
        _draw_map(axes, triangles, sd[copies].numpy(), norm=norm, target=target_rmsd)
        axes.set_title(f"mode {mode.mode_number}: {mode.seen:.0%} of the views", fontsize=10)
    for axes in panels[len(values) :]:
        axes.set_axis_off()
    label = "error bar in one image [Å RMSD]"
    scale = ScalarMappable(norm, _make_colours())
    bar = figure.colorbar(scale, ax=panels.tolist(), label=label, extend="max", aspect=15 * rows)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    bar.ax.yaxis.set_major_formatter("{x:.3g}")
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    if norm.vmin < target_rmsd < norm.vmax:
        bar.ax.axhline(target_rmsd, color="white", lw=2)
    figure.suptitle(f"Seen: error bar at most {target_rmsd:g} Å RMSD, at SNR {found.snr:.3g}", fontsize=10)
    return figure


def make_visibility_table(modes: pd.DataFrame) -> Table:
    """Return the rows of `observability.parquet` as text."""
    head = ("mode", "error bar [Å RMSD]", "best–worst", "of q [Å]", "x all else known", "chief rival (share)")
    head += ("SNR for target", "verdict")
    rows = [
        (
            str(row.mode),
            _show(row.median_rmsd_angstrom),
            f"{_show(row.best_rmsd_angstrom)}–{_show(row.worst_rmsd_angstrom)}",
            _show(row.median_amplitude_angstrom),
            _show(row.loss),
            f"{row.rival} ({row.rival_share:.0%})",
            _show(row.snr_needed),
            row.verdict,
        )
        for row in modes.itertuples()
    ]
    return Table(head, tuple(rows), ("ours",) * len(rows))


def _triangulate(rotations: Float[Tensor, "views 3 3"]) -> tuple[Triangulation, np.ndarray]:
    """Return triangles over the map, and the view that each corner shows."""
    directions = torch.cat((rotations[:, 2], -rotations[:, 2])).numpy()
    tilt, rot = np.arccos(directions[:, 2].clip(-1, 1)), np.arctan2(directions[:, 1], directions[:, 0])
    kept = (tilt < BEYOND_TILT).nonzero()[0]
    radius = _place(tilt[kept])
    triangles = Triangulation(radius * np.cos(rot[kept]), radius * np.sin(rot[kept]))
    return triangles, kept % len(rotations)


def _place(tilt: np.ndarray) -> np.ndarray:
    """Return the distance of a tilt from the middle of an equal-area map (Lambert's); 1 at 90 degrees."""
    return math.sqrt(2) * np.sin(tilt / 2)


def _choose_norm(values: Float[Tensor, "modes views"]) -> LogNorm:
    finite = values[values.isfinite()]
    if not len(finite):
        return LogNorm(1, 10)
    low = float(finite.min())
    return LogNorm(low, max(1.2 * low, min(float(finite.max()), SPAN * low)))


def _draw_map(axes: Axes, triangles: Triangulation, sd: np.ndarray, *, norm: LogNorm, target: float) -> None:
    values = np.where(np.isfinite(sd), sd, 10 * norm.vmax)
    frame = Circle((0, 0), 1, transform=axes.transData)
    levels = np.linspace(math.log(norm.vmin), math.log(norm.vmax), N_COLOURS)
    axes.tricontourf(triangles, np.log(values), levels, cmap=_make_colours(), extend="both").set_clip_path(frame)
    if values.min() < target < values.max():
        line = axes.tricontour(
            triangles, np.log(values), [math.log(target)], colors="white", linewidths=1.6, linestyles="solid"
        )
        line.set_clip_path(frame)
    for ring, radius in zip(RINGS, _place(np.radians(RINGS)), strict=True):
        axes.add_patch(Circle((0, 0), radius, fill=False, ec="black", lw=1.0 if ring == 90 else 0.4))
        above = {"xytext": (0, 1.5), "textcoords": "offset points"}
        axes.annotate(f"tilt {ring}°", (0, -radius), fontsize=6, ha="center", va="bottom", **above)
    for rot in range(0, 360, 90):
        across, up = math.cos(math.radians(rot)), math.sin(math.radians(rot))
        sides = {"ha": ("center", "left", "right")[round(across)], "va": ("center", "bottom", "top")[round(up)]}
        turn = {0: -90, 180: 90}.get(rot, 0)
        axes.annotate(f"rot {rot}°", (1.04 * across, 1.04 * up), fontsize=7, rotation=turn, **sides)
    axes.set(xlim=(-1.16, 1.16), ylim=(-1.16, 1.16), aspect="equal")
    axes.set_axis_off()


def _make_colours() -> Colormap:
    """Return bright for what is seen well, dark for what is not, grey beyond."""
    return colormaps["viridis_r"].with_extremes(over=BLIND)


def _show(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "∞"
