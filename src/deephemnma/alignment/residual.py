"""What the fits of some images leave, shell by shell: the noise, and the fall-off of the signal."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.alignment.objective import Evaluation
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State
from deephemnma.core.particle import Optics
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.noise_estimation import pool_shells
from deephemnma.imaging.projector import Projector

PRIOR_COMPONENTS = 100
"""Weight of the corners' spectrum beside the residuals': a shell counts for its components over all images."""
NEIGHBOURS = 2
"""Shells on either side that are pooled with one, relative to the corners' spectrum."""
LEAST_SHARE = 0.05
"""Least share of the corners' power that noise added after the CTF is taken to have."""
LARGEST_B_FACTOR = 600
"""A^2; beyond it nothing is left at the resolution of any search."""
LEAST_GAIN = 2.0
"""Log likelihood that a B-factor has to gain to be believed: two standard deviations."""


@dataclass(frozen=True)
class ShellSums:
    """Sums over the components of each radial shell.

    Attributes
    ----------
    moments
        Over all images: of 1, x, x^2, y and x y, where x is CTF^2 and y the power of the residual in units of the
        corners' spectrum and of the scale of the image's optics group.
    inner, energy
        Of each image: inner product of the data with the fitted projection, and the square of the latter, both
        whitened, at contrast 1.
    """

    moments: Float[Tensor, "5 shells"]
    inner: Float[Tensor, "images shells"]
    energy: Float[Tensor, "images shells"]


def sum_shells(
    observations: Observations,
    projector: Projector,
    state: State,
    evaluation: Evaluation,
    *,
    good: Bool[Tensor, "images"],
    optics: Optics | None,
    noise: NoiseModel,
    corners: NoiseModel,
) -> ShellSums:
    """Sum over the shells of fitted images, those that are not `good` left out.

    Parameters
    ----------
    observations, projector, state, evaluation
        The images, the model, and where the fits ended, on one band.
    good
        Images that count.
    optics
        Of the images.
    noise
        By which the observations are whitened.
    corners
        The spectrum to which the residuals are related.
    """
    band = observations.band
    value = projector.project(state.rotations, state.shifts, state.amplitudes) * observations.transfer
    residual = (observations.data - evaluation.contrast[:, None] * value)[good]
    inner = (value.conj() * observations.data).real[good]
    group = None if optics is None else optics.group
    ctf = None if optics is None else compute_ctf(optics.to(band.rows.device), band.frequencies)
    reference = corners.compute_power(band.shells, None, group)
    y = residual.abs().square() * (noise.compute_power(band.shells, ctf, group) / reference / 2).expand_as(value)[good]
    x = torch.ones_like(y) if ctf is None else ctf[good].square()
    moments = torch.stack((torch.ones_like(x), x, x * x, y, x * y)).double().sum(1)
    n_shells = len(corners.power)
    return ShellSums(
        _sum_by_shell(moments, band.shells, n_shells),
        _sum_by_shell(inner.double(), band.shells, n_shells),
        _sum_by_shell(value.abs().square()[good].double(), band.shells, n_shells),
    )


def concatenate_sums(parts: list[ShellSums]) -> ShellSums:
    """Return the sums over the images of all `parts`."""
    return ShellSums(
        torch.stack([part.moments for part in parts]).sum(0),
        torch.cat([part.inner for part in parts]),
        torch.cat([part.energy for part in parts]),
    )


def estimate_residual_noise(sums: ShellSums, corners: NoiseModel, *, has_ctf: bool, max_index: int) -> NoiseModel:
    """Return the noise that explains the residuals of the fits, in each shell by least squares.

    The power of a residual is ``power + structural CTF^2``. Shells are pooled with their neighbours; the spectrum of
    the corners counts as some more components, which settles shells in which the CTF hardly varies. Shells beyond
    `max_index` keep the corners' spectrum.
    """
    moments = sums.moments.clone()
    # Weight, sum of x, of x^2, of y and of x y, as if the corners' power were found at all x alike.
    prior = torch.tensor([1, 1 / 2, 1 / 3, 1, 1 / 2], dtype=moments.dtype)
    weight, x, xx, y, xy = pool_shells(moments + PRIOR_COMPONENTS * prior[:, None], reach=NEIGHBOURS)
    seen = torch.arange(len(weight)) <= max_index
    spectrum = corners.power.double().cpu()
    if not has_ctf:
        return replace(corners, power=torch.where(seen, y / weight * spectrum, spectrum))
    slope = ((weight * xy - x * y) / (weight * xx - x * x)).clamp_min(0)
    slope = torch.minimum(slope, y / x)  # neither part is negative
    power = ((y - slope * x) / weight).clamp_min(LEAST_SHARE)
    return replace(
        corners,
        power=torch.where(seen, power, 1.0) * spectrum,
        structural=torch.where(seen, slope, 0.0) * spectrum,
    )


def estimate_b_factor(sums: ShellSums, *, present: float, edge: float) -> float:
    """Return the shared B-factor (A^2) of highest likelihood at the fitted states, each image's contrast fitted.

    Only the sums over shells depend on it, so the likelihood is computed for every whole value at once. Values that
    gain too little to be believed become 0.

    Parameters
    ----------
    sums
        At the fits made with a B-factor of `present`.
    present
        A^2.
    edge
        Side of the box, A.
    """
    squares = (torch.arange(sums.inner.shape[1]) / edge).double().square()
    values = torch.arange(LARGEST_B_FACTOR + 1, dtype=torch.float64)
    envelope = (-(values[:, None] - present) / 4 * squares).exp()
    inner = (envelope @ sums.inner.cpu().T).clamp_min(0)
    energy = envelope.square() @ sums.energy.cpu().T
    gains = (inner.square() / (2 * energy.clamp_min(1e-300))).sum(1)
    best = int(gains.argmax())
    return float(values[best]) if gains[best] - gains[0] > LEAST_GAIN else 0.0


def _sum_by_shell(values: Float[Tensor, "rows components"], shells: Int[Tensor, "components"], n_shells: int) -> Tensor:
    return values.new_zeros(len(values), n_shells).index_add_(1, shells, values).cpu()
