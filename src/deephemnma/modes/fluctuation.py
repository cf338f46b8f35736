"""How much each mode moves at equilibrium, and whether the B-factors of the file say the same."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deephemnma.core.model import Basis, Modes
from deephemnma.modes.rigid import N_RIGID

FLAT = 1e-6
"""B-factors that differ by less than this share of their mean say nothing: the file has none."""


@dataclass(frozen=True)
class Agreement:
    """Pearson correlations with the B-factors; NaN where a mode is rigid.

    Attributes
    ----------
    single
        Of the fluctuation in each mode alone.
    together
        Of that in all modes up to each one.
    """

    single: Float[Tensor, "modes"]
    together: Float[Tensor, "modes"]


def find_flexible(modes: Modes) -> Bool[Tensor, "modes"]:
    """Mark the modes that deform: all but 1-6 of normal modes."""
    rigid = N_RIGID if modes.basis == Basis.NORMAL_MODES else 0
    return torch.tensor([number > rigid for number in modes.numbers])


def compute_variances(modes: Modes) -> Float[Tensor, "modes"]:
    """Return the variance of each amplitude at equilibrium, relative to the others'; 0 for rigid modes.

    That of a principal component is its eigenvalue, that of a normal mode goes as the inverse (equipartition). Where no
    eigenvalue is usable (modes of a file without), all are alike.
    """
    values = modes.eigenvalues.double()
    usable = find_flexible(modes) & values.isfinite() & (values > 0)
    if not usable.any():
        return find_flexible(modes).double()
    softness = values if modes.basis == Basis.PRINCIPAL_COMPONENTS else 1 / values
    return torch.where(usable, softness, torch.zeros_like(softness))


def compute_frequency_ratios(modes: Modes) -> Float[Tensor, "modes"]:
    """Return each mode's frequency over that of the softest that deforms; NaN for rigid modes.

    Frequencies go as the inverse root of the variance; NaN also where eigenvalues are unknown.
    """
    variances = compute_variances(modes)
    known = (variances > 0) & modes.eigenvalues.isfinite()
    ratios = (variances.max() / variances.clamp_min(torch.finfo(variances.dtype).tiny)).sqrt()
    return torch.where(known, ratios, torch.nan)


def compute_fluctuations(modes: Modes) -> Float[Tensor, "modes sites"]:
    """Return the mean square displacement of each site in each mode at equilibrium, on a common relative scale."""
    return modes.vectors.double().square().sum(dim=-1) * compute_variances(modes)[:, None]


def compute_b_factor_agreement(modes: Modes, b_factors: Float[Tensor, "sites"]) -> Agreement | None:
    """Correlate the fluctuations in the modes with the B-factors; None where these are all alike, or not numbers."""
    b_factors = b_factors.double()
    spread = b_factors.std()
    if not bool(b_factors.isfinite().all()) or not bool(spread > FLAT * b_factors.abs().mean()):
        return None
    fluctuations = compute_fluctuations(modes)
    return Agreement(_correlate(fluctuations, b_factors), _correlate(fluctuations.cumsum(dim=0), b_factors))


def _correlate(rows: Float[Tensor, "modes sites"], target: Float[Tensor, "sites"]) -> Float[Tensor, "modes"]:
    """Return the Pearson correlation of each row with `target`; NaN for a row without spread."""
    rows, target = rows - rows.mean(dim=-1, keepdim=True), target - target.mean()
    lengths = rows.norm(dim=-1)
    cosines = (rows @ target) / (lengths * target.norm())
    return torch.where(lengths > 0, cosines, torch.nan)
