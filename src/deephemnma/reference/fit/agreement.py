"""Figures that tell how well placements agree with a map."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.reference.fit.box import FitBox, select_components
from deephemnma.reference.fit.grid import make_grid
from deephemnma.reference.fit.likelihood import compare
from deephemnma.reference.fit.placement import Placement
from deephemnma.reference.fit.transform import DensityTransform

ENVELOPE = 0.1
"""Of a model's highest density: what is denser counts as molecule."""
BEYOND = 0.75
"""How far beyond the resolution of the fit the free correlation looks, in units of that resolution."""


@dataclass(frozen=True)
class Agreement:
    """One placement beside a map.

    Attributes
    ----------
    overall
        Correlation in the box, to the resolution of the fit, once the model's fall-off is the map's.
    masked
        The same in real space, where either of the models compared has density.
    free
        Mean shell correlation from the resolution of the fit to 0.75 of it, which the fit has not seen; None where the
        map ends before.
    shells
        Shell correlations.
    """

    overall: float
    masked: float
    free: float | None
    shells: Float[Tensor, "shells"]


def compute_agreement(
    model: GaussianModel, modes: Modes, box: FitBox, placements: Mapping[str, Placement], *, resolution: float
) -> tuple[dict[str, Agreement], Float[Tensor, "shells"]]:
    """Return how each placement agrees with the map, and the frequencies (1/A) of the shells."""
    fine = select_components(box, BEYOND * resolution)
    used = int(box.edge / resolution)
    density = DensityTransform(model, modes, box, fine)
    values = {name: density.transform(placement) for name, placement in placements.items()}
    compared = {name: compare(fine, value) for name, value in values.items()}
    seen = (fine.shells < used).float()
    low = (-2 * (fine.frequencies.square().sum(-1) * resolution**2)).exp()
    envelopes = [make_grid(fine, value * low, mean=1.0) for value in values.values()]
    molecule = torch.stack([each > ENVELOPE * each.max() for each in envelopes]).any(0)
    target = make_grid(fine, fine.data * seen)[molecule]
    found = {}
    for name, each in compared.items():
        scaled = make_grid(fine, values[name] * (each.gains.float()[fine.shells] * seen))[molecule]
        beyond = fine.counts[used:]
        free = float(beyond @ each.correlation[used:] / beyond.sum()) if len(beyond) else None
        found[name] = Agreement(each.correlate(used), _correlate(target, scaled), free, each.correlation)
    return found, torch.arange(1, fine.n_shells + 1, dtype=torch.float64) / box.edge


def _correlate(first: Float[Tensor, "voxels"], second: Float[Tensor, "voxels"]) -> float:
    first, second = first.double() - first.double().mean(), second.double() - second.double().mean()
    return float(first @ second / (first.norm() * second.norm()).clamp_min(1e-300))
