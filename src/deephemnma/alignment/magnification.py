"""How large the particle is in units of the reference: a magnification is a motion along one more mode."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.bank import Bank, make_bank, make_shift_grid
from deephemnma.alignment.exhaustive_search import SPACING
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.score_bank import score_bank
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.projector import Projector

BREATHING = 0
"""Number of the mode that is a magnification; no other has it."""


@dataclass(frozen=True)
class ScaleScan:
    """Log likelihood of images by the magnification of the reference, each image at its best pose.

    Attributes
    ----------
    scales
        Magnifications, ascending.
    gains
        Above an empty image.
    """

    scales: Float[Tensor, "scales"]
    gains: Float[Tensor, "images scales"]

    @property
    def best(self) -> float:
        """The likeliest, between the steps by a parabola through the three about the highest."""
        curve, x = self.gains.double().sum(0), self.scales.double().log()
        top = int(curve.argmax().clamp(1, len(curve) - 2))
        left, middle, right = curve[top - 1 : top + 2].tolist()
        bend = left - 2 * middle + right
        step = 0.5 * (left - right) / bend if bend < 0 else 0.0
        place = float(x[top]) + max(-1.0, min(1.0, step)) * float(x[top + 1] - x[top - 1]) / 2
        return float(torch.tensor(place).exp())


def magnify(model: GaussianModel, scale: float) -> GaussianModel:
    """Return the reference with all distances from its centre times `scale`."""
    return replace(model, positions=model.positions * scale, widths=model.widths * scale)


def add_breathing(model: GaussianModel, modes: Modes) -> Modes:
    """Return `modes` with one more at the end: a uniform magnification about the centre, of unit norm like the others.

    Its amplitude q magnifies by ``1 + q / |x|``, |x| being the norm of all coordinates (:func:`compute_reach`).
    """
    vector = (model.positions / compute_reach(model)).to(modes.vectors)[None]
    eigenvalues = torch.cat((modes.eigenvalues, modes.eigenvalues.new_ones(1)))
    return replace(
        modes, vectors=torch.cat((modes.vectors, vector)), eigenvalues=eigenvalues, numbers=(*modes.numbers, BREATHING)
    )


def compute_reach(model: GaussianModel) -> float:
    """Return the norm of all coordinates, A."""
    return float(model.positions.double().norm())


def scan_scales(
    observations: Observations,
    projector: Projector,
    *,
    reach: float,
    scales: Float[Tensor, "scales"],
    n_orientations: int,
    shift_range: float,
) -> ScaleScan:
    """Compare images with the reference in many sizes, at all orientations of a grid and all shifts.

    Parameters
    ----------
    observations
        On the band of `projector`.
    projector
        Of the reference with the breathing mode alone.
    reach
        See :func:`compute_reach`.
    scales
        Magnifications to try.
    n_orientations, shift_range
        Of the search; the latter in A.
    """
    shifts = make_shift_grid(shift_range, SPACING * projector.band.resolution)
    gains = []
    for scale in scales.tolist():
        bank: Bank = make_bank(
            projector, n_orientations=n_orientations, conformations=torch.tensor([[(scale - 1) * reach]])
        )
        gains.append(score_bank(observations, bank, shifts, kept=1).gains[:, 0])
    return ScaleScan(scales, torch.stack(gains, dim=1).cpu())
