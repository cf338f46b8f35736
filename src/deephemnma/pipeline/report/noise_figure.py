"""The picture of a noise spectrum."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from deephemnma.imaging.noise import NoiseModel
from deephemnma.pipeline.report.figure import COLOURS, TRUTH_COLOUR

LEAST_RANGE = 3.0
"""Of the axis, above and below the middle: what is within a tenth should look alike."""


def draw_noise(noise: NoiseModel, *, groups: Sequence[str]) -> Figure:
    """Draw the power of the noise of each optics group over the spatial frequency, up to Nyquist.

    Parameters
    ----------
    noise
        Of the images.
    groups
        Names of the groups, in the order of their numbers; where they are alike, one line stands for all.
    """
    figure = Figure(figsize=(6.8, 3.9), layout="constrained")
    axes = figure.subplots()
    shells = np.arange(1, (noise.box_size + 1) // 2)
    frequencies = shells / (noise.box_size * noise.pixel_size)
    power = noise.power.numpy()
    curves = np.ones((1, len(power))) if noise.group_scale is None else noise.group_scale.numpy()
    labels = ["all images"] if noise.group_scale is None else list(groups)[: len(curves)]
    few = len(curves) <= len(COLOURS)
    for number, scale in enumerate(curves):
        style = {"color": COLOURS[number], "lw": 1.5} if few else {"color": TRUTH_COLOUR, "lw": 0.7, "alpha": 0.6}
        axes.plot(frequencies, (power * scale)[shells], label=labels[number] if few else None, **style)
    if not few:
        axes.plot(frequencies, power[shells], color=COLOURS[0], lw=1.8, label=f"all {len(curves)} groups together")
    axes.set(xlabel="spatial frequency [1/Å]", ylabel="power of the noise outside the particle", yscale="log")
    axes.set_xlim(0, frequencies[-1])
    low, high = axes.get_ylim()
    middle = (low * high) ** 0.5
    axes.set_ylim(min(low, middle / LEAST_RANGE), max(high, middle * LEAST_RANGE))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    above = axes.secondary_xaxis("top", functions=(_invert, _invert))
    above.set_xlabel("resolution [Å]")
    marks = _choose_marks(1 / frequencies[-1], 1 / frequencies[0])
    above.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.legend(frameon=False, fontsize=8)
    axes.spines["right"].set_visible(False)
    axes.grid(color="#e8eaed", lw=0.6, which="major")
    axes.set_axisbelow(True)
    return figure


def _invert(values: np.ndarray) -> np.ndarray:
    return 1 / np.maximum(values, 1e-9)


def _choose_marks(finest: float, coarsest: float) -> list[float]:
    """Return round resolutions that lie about evenly in frequency."""
    wanted = 1 / (np.arange(1, 7) / 6 / finest)
    marks = {float(f"{value:.2g}") if value > 10 else float(f"{value:.1f}") for value in wanted}
    return sorted(mark for mark in marks if finest <= mark <= coarsest)
