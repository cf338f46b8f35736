"""The picture of a flexible fit."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from deephemnma.pipeline.report.figure import COLOURS
from deephemnma.reference.fit.result import Level

LINES = {"start": (COLOURS[6], "as given"), "rigid": (COLOURS[1], "rigid"), "flexible": (COLOURS[0], "flexible")}


def draw_fit(levels: Sequence[Level], modes: pd.DataFrame, shells: pd.DataFrame) -> Figure:
    """Draw the correlation from level to level, the amplitudes with their error bars, and the shell correlations."""
    figure = Figure(figsize=(11.5, 3.4), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    resolutions = [level.resolution for level in levels]
    for name in ("rigid", "flexible"):
        colour, label = LINES[name]
        first.plot(resolutions, [getattr(level, name) for level in levels], "o-", color=colour, label=label)
    first.set(xlabel="resolution of the level [Å]", ylabel="correlation")
    first.invert_xaxis()
    names = [f"{number:.0f}" for number in modes["mode"]]
    second.bar(names, modes["amplitude_angstrom"], yerr=modes["sd_angstrom"], color=COLOURS[0], capsize=3)
    second.axhline(0, color="black", lw=0.8)
    second.set(xlabel="mode", ylabel="amplitude [Å]")
    for name, (colour, label) in LINES.items():
        third.plot(shells["frequency_per_angstrom"], shells[name], color=colour, label=label)
    third.axvline(1 / resolutions[-1], color="black", lw=0.8, ls=":")
    third.text(1 / resolutions[-1], 1.02, "fitted to here", ha="right", va="bottom", fontsize=8)
    third.axhline(0, color="black", lw=0.8)
    third.set(
        xlabel="spatial frequency [1/Å]",
        ylabel="shell correlation",
        ylim=(min(-0.1, shells.iloc[:, 1:].min().min()), 1.01),
    )
    for axes in (first, third):
        # above the axes: curves may run anywhere within
        axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.06), ncols=3)
    for axes in (first, second, third):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
