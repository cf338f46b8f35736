"""Figures of the report: nouns in, matplotlib figures out; no global state."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from deephemnma.core.estimates import Estimates
from deephemnma.core.landscape import Landscape
from deephemnma.metrics.displacement import compute_amplitude_rmsd
from deephemnma.metrics.error import match_names
from deephemnma.pipeline.report.data import Comparison, GroupMap

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#a6761d", "#666600", "#332288")
"""Okabe & Ito's, that colour-blind readers tell apart, and some more."""
TRUTH_COLOUR = "#9aa0a6"
MAX_POINTS = 20_000
"""Drawn of a set; more would only blacken the page."""


def draw_conformations(sets: Mapping[str, Estimates], truth: Estimates | None) -> Figure:
    """Draw each set over the first modes, a row a set: in 3D, then over pairs of modes.

    With a `truth`, it lies in grey beneath and the colour is the distance from it; else the colour is the score.
    """
    modes = next(iter(sets.values())).mode_numbers
    pairs = [(0, 1)] if len(modes) == 2 else [(0, 1), (1, 2)]
    columns = len(pairs) + (len(modes) > 2)
    figure = Figure(figsize=(4.1 * columns, 3.7 * len(sets)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15)
    for row, (label, estimates) in enumerate(sets.items()):
        estimates = _thin_out(_select_finite(estimates))
        points = estimates.amplitudes.numpy()
        true_points = None if truth is None else _thin_out(truth).amplitudes.numpy()
        values, meaning = _measure_distance(estimates, truth)
        limit = float(np.nanquantile(values, 0.95)) if np.isfinite(values).any() else 1.0
        style = {"c": values, "s": 7, "cmap": "viridis", "vmax": limit, "linewidths": 0}
        row_axes = []
        if len(modes) > 2:
            axes = figure.add_subplot(len(sets), columns, row * columns + 1, projection="3d")
            _scatter(axes, points[:, :3], None if true_points is None else true_points[:, :3], style)
            axes.set(xlabel=f"q{modes[0]}", ylabel=f"q{modes[1]}", zlabel=f"q{modes[2]}")
            axes.view_init(22, -50)
            axes.tick_params(labelsize=7, pad=-1)
            axes.locator_params(nbins=4)
            axes.set_box_aspect(None, zoom=0.85)
            row_axes.append(axes)
        for column, pair in enumerate(pairs, start=columns - len(pairs) + 1):
            axes = figure.add_subplot(len(sets), columns, row * columns + column)
            drawn = _scatter(axes, points[:, pair], None if true_points is None else true_points[:, pair], style)
            axes.set(xlabel=f"q{modes[pair[0]]} [Å]", ylabel=f"q{modes[pair[1]]} [Å]")
            axes.set_aspect("equal", adjustable="datalim")
            row_axes.append(axes)
        row_axes[0].set_title(f"{label}, {len(points):,} images", loc="left")
        figure.colorbar(drawn, ax=row_axes, label=meaning, shrink=0.8, pad=0.01)
    return figure


def draw_error_curves(comparisons: Sequence[Comparison]) -> Figure:
    """Draw which share of the images has an error below what: rotation and amplitudes."""
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for comparison, colour in zip(comparisons, _cycle_colours(len(comparisons)), strict=True):
        kept = comparison.errors.present
        angles = comparison.errors.geodesic_angle[kept].rad2deg().numpy()
        amplitudes = comparison.errors.amplitudes[kept].abs().mean(1).numpy()
        for axes, values in zip(panels, (angles, amplitudes), strict=True):
            share = np.arange(1, len(values) + 1) / len(comparison.errors)
            axes.plot(np.sort(np.maximum(values, 1e-3)), share, color=colour, label=comparison.label)
    for axes, label in zip(panels, ("rotation error [°]", "mean amplitude error [Å]"), strict=True):
        axes.set(xscale="log", xlabel=label, ylim=(0, 1.02))
        _tidy(axes)
    panels[0].set_ylabel("share of images")
    panels[1].legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def draw_training(log: pd.DataFrame) -> Figure:
    """Draw the losses over the images seen, and the median rotation error of the validation where there is one."""
    angle = "validation_median_angle_deg"
    with_angle = angle in log and log[angle].notna().any()
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 1 + with_angle, squeeze=False)[0]
    across = "images" if "images" in log else "step"
    parts = [column for column in log if column.startswith("loss_") and log[column].notna().any()]
    lines = [("loss", "training", COLOURS[0]), ("validation_loss", "validation", COLOURS[1])]
    lines += [(name, name.removeprefix("loss_"), colour) for name, colour in zip(parts, COLOURS[2:], strict=False)]
    for column, label, colour in lines:
        if column in log:
            _draw_column(
                panels[0], log, (across, column), label=label, color=colour, lw=1.6 if "_" not in column else 1
            )
    panels[0].set(ylabel="loss", yscale="log" if (log["loss"].dropna() > 0).all() else "linear")
    panels[0].legend(frameon=False, fontsize=8)
    if with_angle:
        _draw_column(panels[1], log, (across, angle), color=COLOURS[1])
        panels[1].set(ylabel="median rotation error, validation [°]", ylim=(0, None))
    for axes in panels:
        axes.set_xlabel(f"{across} seen" if across == "images" else across)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        _tidy(axes)
    return figure


def draw_landscape(landscape: Landscape) -> Figure:
    """Draw the first two axes, or a histogram of the only one, with the groups in colours and numbers."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    coordinates, groups = landscape.coordinates.numpy(), landscape.groups.numpy()
    share = landscape.explained.numpy()
    axes.set_xlabel(f"axis 1 [Å], {share[0]:.0%} of the variance")
    colours = _cycle_colours(int(groups.max(initial=-1)) + 1)
    if coordinates.shape[1] == 1:
        parts = [coordinates[groups == number, 0] for number in range(-1, len(colours))]
        axes.hist(parts, bins=50, stacked=True, color=["#c8ccd0", *colours])
        axes.set_ylabel("images")
        return figure
    size = 14 if len(coordinates) < 3000 else 4
    loose = groups < 0
    axes.scatter(*coordinates[loose, :2].T, s=size, c="#c8ccd0", linewidths=0, rasterized=True)
    for number, colour in enumerate(colours):
        points = coordinates[groups == number, :2]
        axes.scatter(*points.T, s=size, color=colour, linewidths=0, alpha=0.75, rasterized=True)
        if len(points):
            box = {"boxstyle": "circle,pad=0.25", "fc": "white", "ec": colour, "lw": 1.5}
            axes.annotate(str(number + 1), points.mean(0), ha="center", va="center", fontsize=9, bbox=box)
    axes.set_ylabel(f"axis 2 [Å], {share[1]:.0%} of the variance")
    axes.set_aspect("equal", adjustable="datalim")
    _tidy(axes)
    return figure


def draw_slices(groups: Sequence[GroupMap]) -> Figure:
    """Draw the central slices of each group's map, one column a group."""
    views = ("xy", "xz", "yz")
    figure = Figure(figsize=(1.9 * max(len(groups), 2), 6.0), layout="constrained")
    panels = figure.subplots(3, len(groups), squeeze=False)
    for column, group in enumerate(groups):
        values = group.density.values.numpy()
        middle = values.shape[0] // 2
        slices = (values[middle], values[:, middle], values[:, :, middle])
        low, high = np.quantile(values, (0.02, 0.9995))
        for axes, image in zip(panels[:, column], slices, strict=True):
            axes.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower", interpolation="bilinear")
            axes.set(xticks=[], yticks=[])
        panels[0, column].set_title(f"{group.label}: {group.n_images:,} images", fontsize=9)
    for axes, view in zip(panels[:, 0], views, strict=True):
        axes.set_ylabel(f"{view} slice")
    return figure


def draw_shell_curves(groups: Sequence[GroupMap]) -> Figure:
    """Draw the correlation of each group's half-maps, and of its map with the model's."""
    with_model = any(group.model is not None for group in groups)
    figure = Figure(figsize=(9.6 if with_model else 5.4, 3.5), layout="constrained")
    panels = figure.subplots(1, 1 + with_model, sharey=True, squeeze=False)[0]
    titles = ("between half-maps", "with the model at the group's centroid")
    for axes, title in zip(panels, titles, strict=False):
        for threshold in (0.5, 0.143):
            axes.axhline(threshold, color="#9aa0a6", lw=0.8, ls="--")
            axes.annotate(
                f"{threshold:g}",
                (0.005, threshold + 0.015),
                fontsize=7,
                color="#5f6368",
                xycoords=("axes fraction", "data"),
            )
        axes.set(xlabel="resolution [Å]", ylim=(-0.1, 1.03))
        axes.set_title(title, fontsize=9, loc="left")
        _tidy(axes)
    for group in groups:
        colour = COLOURS[group.number % len(COLOURS)]
        for axes, curve in zip(panels, (group.halves, group.model), strict=False):
            if curve is not None:
                axes.plot(curve.frequencies.numpy(), curve.correlation.numpy(), color=colour, label=group.label)
    for axes in panels:
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda frequency, _: f"{1 / frequency:.1f}" if frequency > 1e-6 else "∞")
    panels[0].set_ylabel("Fourier shell correlation")
    panels[-1].legend(title="group", frameon=False, fontsize=8, title_fontsize=8, loc="upper right")
    return figure


def _scatter(axes: Axes, points: np.ndarray, truth: np.ndarray | None, style: dict):
    if truth is not None:
        axes.scatter(*truth.T, s=3, color=TRUTH_COLOUR, alpha=0.5, linewidths=0, zorder=1)
    return axes.scatter(*points.T, zorder=2, **style)


def _measure_distance(estimates: Estimates, truth: Estimates | None) -> tuple[np.ndarray, str]:
    if truth is None or set(estimates.names).isdisjoint(truth.names):  # as after `prepare`, which names images anew
        return estimates.score.numpy(), "score"
    values = np.full(len(estimates), np.nan)
    rows, true_rows = match_names(estimates.names, truth.names)
    difference = estimates.amplitudes[rows] - truth.amplitudes[true_rows]
    values[rows.numpy()] = compute_amplitude_rmsd(difference, n_sites=1).numpy()
    return values, "distance from truth [Å]"


def _select_finite(estimates: Estimates) -> Estimates:
    return estimates.select(estimates.amplitudes.isfinite().all(1).nonzero()[:, 0])


def _thin_out(estimates: Estimates) -> Estimates:
    step = 1 + (len(estimates) - 1) // MAX_POINTS
    return estimates if step == 1 else estimates.select(torch.arange(0, len(estimates), step))


def _draw_column(axes: Axes, log: pd.DataFrame, columns: tuple[str, str], **style) -> None:
    entry = log[list(columns)].dropna()
    axes.plot(entry[columns[0]], entry[columns[1]], marker="o" if len(entry) < 40 else None, ms=3, **style)


def _cycle_colours(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e8eaed", lw=0.6)
    axes.set_axisbelow(True)
