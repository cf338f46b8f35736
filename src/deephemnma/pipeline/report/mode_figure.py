"""The picture by which modes are chosen: what each is like, and which residues it moves."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from deephemnma.core.model import Basis
from deephemnma.core.residue import number_residues
from deephemnma.modes.analysis import compute_collectivity
from deephemnma.modes.fluctuation import (
    compute_fluctuations,
    compute_frequency_ratios,
    compute_variances,
    find_flexible,
)
from deephemnma.modes.motion import Motion
from deephemnma.pipeline.report.figure import COLOURS
from deephemnma.pipeline.survey import ModeSurvey, average_by_residue, measure_residue_displacements

OTHER, LEFT_OUT, SHADE, INK, SOFT = "#c3c8ce", "#eceef0", "#dfe3e8", "#202124", "#5f6368"
FEWEST_BARS = 8
"""That a panel has room for, so that one mode is not a wall."""
SLICES = 60
"""Along a molecule without residues."""
MOST_POINTS = 600
"""Of a profile; more would only blacken it."""
SOFTEST = 6
"""Modes whose displacements are drawn where none is proposed."""
LONGEST_NUMBERING = 1.3
"""Residue numbers from first to last over residues; of longer ones most of the picture would be empty."""
MANY_CHAINS = 20
NARROWEST_CHAIN = 0.035
"""Share of the profile from which a chain is named."""


@dataclass(frozen=True)
class _Profile:
    """What the sites are averaged over: `groups` numbers the group of each site, `across` is where groups stand."""

    groups: Int[Tensor, "sites"]
    across: np.ndarray
    label: str
    chains: tuple[tuple[str, float, float], ...] = ()


def draw_mode_survey(survey: ModeSurvey, *, lowest_collectivity: float) -> Figure:
    """Draw frequency, collectivity, share of the motion and visibility of each mode, and what the proposed ones move.

    Proposed modes have a colour of their own, the same in all panels; those that were left out are pale.
    """
    bars = _list_bars(survey)
    with_b_factors = survey.agreement is not None
    figure = Figure(figsize=(12.4, 1.75 * max(3, len(bars)) + 0.7), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25), wspace=0.03)
    panels = left.subplots(len(bars), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, values) in zip(panels, bars, strict=True):
        _draw_bars(axes, survey, values, title=title)
    panels[1].axhline(lowest_collectivity, color=SOFT, lw=0.9, ls=(0, (4, 3)))
    panels[1].set_ylim(top=max(panels[1].get_ylim()[1], 1.1 * lowest_collectivity))
    if survey.explanation is not None:
        _draw_sum(panels[2], survey)
    for axes in panels[2:]:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panels[-1].set_xlabel("mode", fontsize=9)
    if survey.reference.modes.n_modes < FEWEST_BARS:
        panels[-1].set_xticks(survey.reference.modes.numbers)
    else:
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16, min_n_ticks=3))
    profile = _make_profile(survey)
    lower = right.subplots(
        1 + with_b_factors, 1, sharex=True, squeeze=False, height_ratios=(1.5, 1)[: 1 + with_b_factors]
    )[:, 0]
    _draw_displacements(lower[0], survey, profile)
    if with_b_factors:
        _draw_b_factors(lower[1], survey, profile)
    for axes in lower:
        _mark_chains(axes, profile)
        axes.margins(x=0.01)
    lower[-1].set_xlabel(profile.label, fontsize=9)
    return figure


def _list_bars(survey: ModeSurvey) -> list[tuple[str, Float[Tensor, "modes"]]]:
    """Return title and heights of each panel of bars."""
    modes = survey.reference.modes
    variances = compute_variances(modes)
    stiffness = ("frequency, × the softest", compute_frequency_ratios(modes).nan_to_num())
    if modes.basis == Basis.PRINCIPAL_COMPONENTS:
        stiffness = ("standard deviation [Å RMSD]", (variances / modes.n_sites).sqrt())
    bars = [
        stiffness,
        ("collectivity (dashed: lowest to be proposed)", compute_collectivity(modes)),
    ]
    if survey.explanation is None:
        bars.append(("share of the fluctuation expected of these modes", variances / variances.sum()))
    else:
        title = f"share of the motion {survey.motion.source} (line: modes up to here)"
        bars.append((title, survey.explanation.overlaps.square()))
    if survey.seen:
        seen = torch.tensor([survey.seen.get(number, 0.0) for number in modes.numbers])
        bars.append(("share of the images that show it", seen))
    return bars


def _draw_bars(axes: Axes, survey: ModeSurvey, values: Float[Tensor, "modes"], *, title: str) -> None:
    modes, colours = survey.reference.modes, _choose_colours(survey)
    for row in find_flexible(modes).nonzero()[:, 0].tolist():
        number = modes.numbers[row]
        out = number in survey.proposal.left_out
        style = {"color": LEFT_OUT, "edgecolor": OTHER, "lw": 0.6} if out else {"color": colours.get(number, OTHER)}
        axes.bar(number, float(values[row]), width=0.8, **style)
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    axes.margins(x=0.01)
    if len(modes.numbers) < FEWEST_BARS:
        axes.set_xlim(min(modes.numbers) - 0.6, max(max(modes.numbers) + 0.6, min(modes.numbers) + FEWEST_BARS))
    axes.set_ylim(bottom=0)
    _tidy(axes)


def _draw_sum(axes: Axes, survey: ModeSurvey) -> None:
    modes = survey.reference.modes
    rows = find_flexible(modes).nonzero()[:, 0]
    share = survey.explanation.cumulative[rows].square().numpy()
    numbers = [modes.numbers[row] for row in rows.tolist()]
    axes.plot(numbers, share, color=INK, lw=1.1, marker="o", ms=2.6)
    axes.set_ylim(0, 1.04)


def _draw_displacements(axes: Axes, survey: ModeSurvey, profile: _Profile) -> None:
    """Draw, in a row each, how far each residue goes in the proposed modes and on the way to the second structure."""
    modes = survey.reference.modes
    moves = measure_residue_displacements(survey.reference, profile.groups).numpy()
    rows = [
        (f"mode {number}", moves[modes.numbers.index(number)], colour)
        for number, colour in _choose_shown(survey).items()
    ]
    if survey.motion is not None and survey.motion.rmsd > 0:
        rows.insert(0, (_shorten(survey.motion.source), _measure_motion(survey.motion, profile), SOFT))
    step = float(np.nanquantile(np.concatenate([values for _, values, _ in rows]), 0.99))
    places = -step * np.arange(len(rows))
    for place, (_, values, colour) in zip(places, rows, strict=True):
        across, height = _thin(profile.across, values)
        axes.fill_between(across, place, place + height, color=colour, alpha=0.28, lw=0)
        axes.plot(across, place + height, color=colour, lw=1.1)
        axes.axhline(place, color=colour, lw=0.6)
    unit = "residue" if survey.reference.sites is not None else "slice"
    axes.set_title(f"displacement of each {unit} at 1 Å RMSD (rows are {step:.1f} Å apart)", fontsize=9, loc="left")
    _tidy(axes)
    axes.grid(visible=False)
    axes.set_yticks(places, [name for name, _, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(bottom=places[-1])


def _shorten(source: str) -> str:
    """Return the file's name alone, cut to what stands beside the panel."""
    return source.split()[-1].split(".")[0][:12]


def _measure_motion(motion: Motion, profile: _Profile) -> np.ndarray:
    """Return how far each residue goes, A, were the motion of 1 A RMSD; NaN where that is not known."""
    square = motion.displacements.square().sum(-1)[None] / motion.rmsd**2
    found = average_by_residue(square, profile.groups[motion.sites])[0].sqrt().numpy()
    return np.append(found, np.full(len(profile.across) - len(found), np.nan))


def _draw_b_factors(axes: Axes, survey: ModeSurvey, profile: _Profile) -> None:
    """Draw the B-factors, and over them the fluctuation in all modes, brought to their scale by a straight line."""
    modes = survey.reference.modes
    fluctuation = compute_fluctuations(modes).sum(0)
    b_factors = survey.reference.sites.b_factors.double()
    slope = ((fluctuation - fluctuation.mean()) * (b_factors - b_factors.mean())).mean() / fluctuation.var(correction=0)
    scaled = b_factors.mean() + slope * (fluctuation - fluctuation.mean())
    rows = average_by_residue(torch.stack((b_factors, scaled)), profile.groups).numpy()
    across, measured = _thin(profile.across, rows[0])
    axes.fill_between(across, measured, color=SHADE, lw=0, label="B-factors of the file")
    axes.plot(*_thin(profile.across, rows[1]), color=INK, lw=1.2, label="fluctuation in the modes, scaled")
    flexible = [number for number, free in zip(modes.numbers, find_flexible(modes).tolist(), strict=True) if free]
    localized = "localized" in survey.proposal.left_out.values()
    title = (
        f"B-factors [Å²] and modes {flexible[0]}–{flexible[-1]}{' (localized ones too)' if localized else ''}: "
        f"correlation {float(survey.agreement.together[-1]):.2f}"
    )
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    low = min(0.0, float(np.nanmin(rows)))
    axes.set_ylim(bottom=low)
    _tidy(axes)
    _add_legend(axes)


def _make_profile(survey: ModeSurvey) -> _Profile:
    """Return residues along the chains, or, where sites have no names, slices along the longest axis."""
    reference = survey.reference
    if reference.sites is None:
        positions = reference.model.positions.double()
        axis = torch.linalg.svd(positions - positions.mean(0), full_matrices=False).Vh[0]
        along = positions @ axis
        edges = torch.linspace(float(along.min()), float(along.max()), SLICES + 1, dtype=torch.float64)
        slices = torch.bucketize(along, edges[1:-1])
        kept, groups = slices.unique(return_inverse=True)
        return _Profile(groups, ((edges[1:] + edges[:-1]) / 2)[kept].numpy(), "place along the longest axis [Å]")
    groups = torch.from_numpy(number_residues(reference.sites))
    count = int(groups.max()) + 1
    chain_of = np.empty(count, dtype=object)
    chain_of[groups.numpy()] = reference.sites.chains
    starts = [row for row in range(count) if row == 0 or chain_of[row] != chain_of[row - 1]]
    ends = [*starts[1:], count]
    chains = tuple((str(chain_of[start]), float(start), float(end)) for start, end in zip(starts, ends, strict=True))
    if len(chains) > 1:
        return _Profile(groups, np.arange(count), "residues, chain by chain", chains)
    numbers = np.empty(count, dtype=np.int64)
    numbers[groups.numpy()] = reference.sites.residue_numbers
    if (np.diff(numbers) > 0).all() and numbers[-1] - numbers[0] < LONGEST_NUMBERING * count:
        return _Profile(groups, numbers, "residue")
    return _Profile(groups, np.arange(1, count + 1), "residue, counted from the first")  # an ion may be number 900


def _mark_chains(axes: Axes, profile: _Profile) -> None:
    """Draw the ends of the chains, and name those that are wide enough."""
    if not profile.chains:
        return
    width = 0.5 if len(profile.chains) <= MANY_CHAINS else 0.2
    for _, start, _ in profile.chains[1:]:
        axes.axvline(start - 0.5, color=OTHER, lw=width, zorder=0.5)
    wide = [chain for chain in profile.chains if chain[2] - chain[1] >= NARROWEST_CHAIN * len(profile.across)]
    axes.set_xticks([(start + end - 1) / 2 for _, start, end in wide], [name for name, _, _ in wide])
    axes.tick_params(axis="x", length=0)


def _thin(across: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbours where there are more points than a picture shows."""
    step = -(-len(across) // MOST_POINTS)
    if step == 1:
        return across, values
    starts = np.arange(0, len(across), step)
    counts = np.diff(np.append(starts, len(across)))
    return np.add.reduceat(across, starts) / counts, np.add.reduceat(values, starts) / counts


def _add_legend(axes: Axes) -> None:
    """Name the lines within the panel, above them."""
    axes.set_ylim(top=1.22 * axes.get_ylim()[1])
    style = {"handlelength": 1.4, "columnspacing": 1.2, "labelspacing": 0.3, "borderaxespad": 0.2}
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper left", **style)


def _choose_colours(survey: ModeSurvey) -> dict[int, str]:
    return {number: COLOURS[place % len(COLOURS)] for place, number in enumerate(survey.proposal.numbers)}


def _choose_shown(survey: ModeSurvey) -> dict[int, str]:
    """Return the modes whose displacements are drawn, with their colours: the proposed ones, or else the softest."""
    modes = survey.reference.modes
    softest = find_flexible(modes).nonzero()[:SOFTEST, 0].tolist()
    return _choose_colours(survey) or {modes.numbers[row]: OTHER for row in softest}


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e8eaed", lw=0.6)
    axes.tick_params(labelsize=8, colors=SOFT, labelcolor=INK)
    axes.set_axisbelow(True)
