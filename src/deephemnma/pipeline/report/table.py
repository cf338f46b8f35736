"""Error tables: ours, with the paper's beside them; for the page and for the terminal."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deephemnma.metrics.calibration import compute_trimmed_ratio
from deephemnma.metrics.summary import Spread
from deephemnma.pipeline.report.data import Comparison, GroupMap, StageCost

BEST_SHARE = 0.99
WITHIN = 2.0


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; `origins` marks, row by row, whose figures they are ("ours" or "paper")."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    origins: tuple[str, ...]


PAPER_MODES = (7, 8, 9)
PAPER_ROWS = (
    ("paper: HEMNMA against truth", "2,000", "–", "5.7", "6.2", "7.8", "6.6", "1.0", "–", "0.2"),
    ("paper: network against truth", "2,000", "–", "5.4", "8.2", "8.9", "7.5", "2.5", "–", "0.2"),
    ("paper: network against HEMNMA", "2,000", "–", "5.4", "7.3", "7.9", "6.9", "1.9", "–", "0.2"),
    ("paper: network against truth", "50,000", "–", "6.6", "9.5", "7.3", "7.8", "2.6", "–", "0.2"),
)
"""Hamitouche & Jonic 2022, Tables 1 and 3: means, in the columns of :func:`make_error_table`."""
PAPER_DISPLACEMENTS = (
    ("paper: network against truth", "2,000", "0.4", "0.9", "0.3", "–", "–"),
    ("paper: network against truth", "50,000", "0.4", "0.9", "0.3", "–", "–"),
)
"""The same, Tables 2 and 4, in the columns of :func:`make_displacement_table`."""

Show = Callable[[Spread, float], str]


def show_mean(spread: Spread, factor: float = 1.0) -> str:
    """Return the mean of `spread` times `factor`."""
    return "–" if math.isnan(spread.mean) else _format_figure(spread.mean * factor)


def show_mean_and_median(spread: Spread, factor: float = 1.0) -> str:
    """Return the mean, and the median in brackets, times `factor`."""
    return "–" if math.isnan(spread.mean) else f"{show_mean(spread, factor)} ({_format_figure(spread.median * factor)})"


def make_error_table(
    comparisons: Sequence[Comparison], *, beside_paper: bool = False, show: Show = show_mean_and_median
) -> Table:
    """Return the errors of each comparison by parameter, and the share of failed images."""
    numbers = comparisons[0].summary.mode_numbers
    head = ("", "images", "failed", *(f"q{number} [Å]" for number in numbers), "q mean [Å]")
    head += ("axes [°]", "rotation [°]", "shift [Å]")
    rows = [_make_error_row(comparison, show) for comparison in comparisons]
    paper = PAPER_ROWS if beside_paper and numbers == PAPER_MODES else ()
    return Table(head, (*rows, *paper), ("ours",) * len(rows) + ("paper",) * len(paper))


def make_displacement_table(
    comparisons: Sequence[Comparison], *, beside_paper: bool = False, show: Show = show_mean_and_median
) -> Table:
    """Return the errors of each comparison as displacement of the sites and in units of the Cramer-Rao bound."""
    head = ("", "images", "RMSD q [Å]", "RMSD rotation [Å]", "RMSD shift [Å]")
    head += (f"x bound, best {BEST_SHARE:.0%}", f"within {WITHIN:g} x bound")
    rows = []
    for comparison in comparisons:
        summary = comparison.summary
        spreads = (summary.amplitude_rmsd, summary.rotation_rmsd, summary.shift_rmsd)
        shown = (show(spread, 1.0) for spread in spreads)
        rows.append((comparison.label, f"{summary.n_images:,}", *shown, *_format_bound(comparison)))
    paper = PAPER_DISPLACEMENTS if beside_paper and comparisons[0].summary.mode_numbers == PAPER_MODES else ()
    return Table(head, (*rows, *paper), ("ours",) * len(rows) + ("paper",) * len(paper))


def make_calibration_table(comparisons: Sequence[Comparison]) -> Table:
    """Return how many errors lie within the claimed error bars, by kind of parameter."""
    rows = []
    for comparison in comparisons:
        calibration = comparison.calibration
        if calibration is None:
            continue
        n_modes = len(comparison.summary.mode_numbers)
        for kind, columns in (
            ("amplitudes", slice(0, n_modes)),
            ("rotation", slice(n_modes, n_modes + 3)),
            ("shift", slice(n_modes + 3, None)),
        ):
            shares = [float(values[columns].mean()) for values in (calibration.coverage_68, calibration.coverage_95)]
            middle = calibration.z_scores[:, columns].abs().flatten()
            if len(middle):
                shown = (f"{share:.1%}" for share in shares)
                rows.append((comparison.label, kind, *shown, f"{float(middle.median()):.2f}"))
    head = ("", "parameters", "within 1 sd (68.3 %)", "within 1.96 sd (95 %)", "median error / sd (0.67)")
    return Table(head, tuple(rows), ("ours",) * len(rows))


def make_resolution_table(groups: Sequence[GroupMap], crossings: Sequence[tuple[float, ...]]) -> Table:
    """Return the resolution of each group's map; `crossings` as from ``section.compute_crossings``."""
    head = ("group", "images", "halves 0.143 [Å]", "halves 0.5 [Å]", "model 0.5 [Å]", "model 0.143 [Å]")
    rows = [
        (group.label, f"{group.n_images:,}", *(_format_number(value, 2) for value in values))
        for group, values in zip(groups, crossings, strict=True)
    ]
    return Table(head, tuple(rows), ("ours",) * len(rows))


def make_cost_table(costs: Sequence[StageCost]) -> Table:
    """Return wall-clock and CPU time of each stage and their sum."""
    rows = [_make_cost_row(cost) for cost in costs]
    total = StageCost("all", sum(cost.wall_seconds for cost in costs), sum(cost.cpu_seconds for cost in costs))
    head = ("stage", "images", "wall clock", "CPU", "CPU per image")
    return Table(head, (*rows, _make_cost_row(total)), ("ours",) * (len(rows) + 1))


def format_error_table(comparisons: Sequence[Comparison], *, beside_paper: bool = False) -> str:
    """Return the error tables as text for a terminal: means by parameter, then as displacement and against the bound.

    Medians are in brackets in the second.
    """
    first = make_error_table(comparisons, beside_paper=beside_paper, show=show_mean)
    second = make_displacement_table(comparisons, beside_paper=beside_paper)
    return f"{format_table(first)}\n\n{format_table(second)}"


def format_table(table: Table) -> str:
    """Return `table` as text with aligned columns; units go to a second line of the head."""
    names = [column.partition(" [") for column in table.head]
    head = [tuple(name for name, _, _ in names), tuple(f"[{unit}" if unit else "" for _, _, unit in names)]
    lines = [*head, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head))]
    aligned = ["  ".join(_align(line, widths)).rstrip() for line in lines]
    rule = "-" * max(len(line) for line in aligned)
    return "\n".join((*aligned[:2], rule, *aligned[2:]))


def _align(line: tuple[str, ...], widths: list[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]


def _make_error_row(comparison: Comparison, show: Show) -> tuple[str, ...]:
    summary = comparison.summary
    degrees = 180 / math.pi
    return (
        comparison.label,
        f"{summary.n_images:,}",
        f"{summary.failure_rate:.1%}",
        *(show(spread, 1.0) for spread in (*summary.amplitudes, summary.amplitude)),
        *(show(spread, degrees) for spread in (summary.axis_angle, summary.geodesic_angle)),
        show(summary.shift, 1.0),
    )


def _format_bound(comparison: Comparison) -> tuple[str, str]:
    if comparison.ratios is None:
        return "–", "–"
    within = float((comparison.ratios <= WITHIN).double().mean())
    return _format_number(compute_trimmed_ratio(comparison.ratios, share=BEST_SHARE), 2), f"{within:.1%}"


def _format_figure(value: float) -> str:
    """Return two or three figures that matter."""
    return (
        f"{value:.0f}"
        if value >= 100
        else f"{value:.1f}"
        if value >= 10
        else f"{value:.2f}"
        if value >= 0.1
        else f"{value:.3f}"
    )


def _format_number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _make_cost_row(cost: StageCost) -> tuple[str, ...]:
    each = "–" if not cost.n_images else f"{cost.cpu_seconds / cost.n_images:.3g} s"
    count = "–" if cost.n_images is None else f"{cost.n_images:,}"
    return cost.stage, count, format_seconds(cost.wall_seconds), format_seconds(cost.cpu_seconds), each


def format_seconds(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
