"""Which modes are worth looking for: the summary of an `Observability` for a precision that is wanted."""

import math
from dataclasses import dataclass

import torch

from deephemnma.alignment.observability import Observability

EVERY, NONE = 0.995, 0.005
"""Shares of the images that read as "every" and "none"."""
CONFUSED = 2.0
"""Loss from which a rival is named: the error bar is twice what it were if all else were known."""


@dataclass(frozen=True)
class Visibility:
    """How well one mode is seen over all views, defoci and conformations.

    Attributes
    ----------
    mode_number
        The users' number of the mode.
    best, median, worst
        Marginal standard deviation, A RMSD; infinite where nothing is seen.
    median_amplitude
        The median once more, A of amplitude.
    median_conditional
        Median standard deviation with all else known, A RMSD.
    loss
        Median ratio of marginal to conditional standard deviation, >= 1.
    rival
        What takes most of it: another mode, a rotation, the shift or the contrast.
    rival_share
        Mean share of the variance that would vanish were the rival known, 0-1.
    seen
        Share of the images in which the standard deviation is at most the target, 0-1.
    seen_alone
        The same with all else known.
    images_needed
        Images of the median view whose average reaches the target; infinite if it is blind.
    snr_needed
        Signal-to-noise ratio at which the median view reaches the target.
    """

    mode_number: int
    best: float
    median: float
    worst: float
    median_amplitude: float
    median_conditional: float
    loss: float
    rival: str
    rival_share: float
    seen: float
    seen_alone: float
    images_needed: float
    snr_needed: float

    @property
    def verdict(self) -> str:
        """One line for users: from where the mode is seen, and what is mistaken for it."""
        mistaken = f"mistaken for {self.rival}" if self.loss >= CONFUSED else ""
        if self.seen >= EVERY:
            return "seen from every view" + (f", though {mistaken}" if mistaken else "")
        if self.seen > NONE:
            return f"seen from {self.seen:.0%} of the views" + (f", else {mistaken}" if mistaken else "")
        if self.seen_alone > NONE and mistaken:
            return f"not seen: {mistaken}"
        if math.isinf(self.median):
            return "not seen at any SNR"
        return "not seen at this SNR"


def summarize_visibility(observability: Observability, *, target_rmsd: float) -> tuple[Visibility, ...]:
    """Summarize each mode; an image shows it if its standard deviation is at most `target_rmsd` (A RMSD)."""
    n_modes, root = len(observability.mode_numbers), observability.n_sites**0.5
    marginal = observability.marginal.reshape(-1, n_modes) / root
    conditional = observability.conditional.reshape(-1, n_modes) / root
    mimicry = observability.mimicry.reshape(-1, n_modes, len(observability.rivals)).mean(0)
    ratio = torch.where(marginal.isinf(), torch.inf, marginal / conditional)
    summaries = []
    for mode, number in enumerate(observability.mode_numbers):
        rival = int(mimicry[mode].argmax())
        median = float(marginal[:, mode].median())
        excess = (median / target_rmsd) ** 2
        summaries.append(
            Visibility(
                mode_number=number,
                best=float(marginal[:, mode].min()),
                median=median,
                worst=float(marginal[:, mode].max()),
                median_amplitude=median * root,
                median_conditional=float(conditional[:, mode].median()),
                loss=float(ratio[:, mode].median()),
                rival=observability.rivals[rival],
                rival_share=float(mimicry[mode, rival]),
                seen=float((marginal[:, mode] <= target_rmsd).double().mean()),
                seen_alone=float((conditional[:, mode] <= target_rmsd).double().mean()),
                images_needed=float(max(1, math.ceil(excess))) if math.isfinite(excess) else math.inf,
                snr_needed=observability.snr * excess,
            )
        )
    return tuple(summaries)
