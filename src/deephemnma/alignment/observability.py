"""What can be seen before any data is touched: the error bars that images of a molecule will have, view by view."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.observation import make_observations
from deephemnma.alignment.state import State
from deephemnma.core.fourier import make_frequencies, make_shell_indices
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.synthesis import ImageFormation

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
POSE_RIVALS = ("out-of-plane rotation", "in-plane rotation", "shift", "contrast")
_POSE_COLUMNS = ((0, 1), (2,), (3, 4), (5,))
"""Columns of each of these behind the amplitudes'."""
_UNSEEN = 1e-6
"""Eigenvalues of the scaled Fisher matrix below this are the rounding of single-precision projections."""
_HIDDEN_SHARE = 1e-4
"""A parameter is hidden if so much of its square lies along directions without information."""
_LEAST_MOTION = 1e-2
"""Share of the shift's information, for the same RMSD, below which a mode counts as hardly moving the image."""
_LARGEST_BATCH, _BATCH_NUMBERS = 32, 1 << 23


@dataclass(frozen=True)
class Observability:
    """Standard deviations of mode amplitudes that no unbiased estimator can beat, by conformation, view and defocus.

    Attributes
    ----------
    mode_numbers
        The users' numbers of the modes.
    n_sites
        Sites of the reference: a standard deviation s of an amplitude is s / sqrt(sites) as RMSD.
    rotations
        The views, reference to view frame.
    amplitudes
        The conformations looked at, A.
    defoci
        A, underfocus positive.
    snr
        Variance of the clean images, on average, over that of the noise.
    marginal
        Standard deviation, A of amplitude, with pose, contrast and all other modes unknown; infinite where an image
        tells nothing.
    conditional
        The same with all else known.
    mimicry
        Share of the marginal variance, 0-1, that would vanish were the rival known; zero for a mode and itself.
    """

    mode_numbers: tuple[int, ...]
    n_sites: int
    rotations: Float[Tensor, "views 3 3"]
    amplitudes: Float[Tensor, "conformations modes"]
    defoci: Float[Tensor, "defoci"]
    snr: float
    marginal: Float[Tensor, "conformations views defoci modes"]
    conditional: Float[Tensor, "conformations views defoci modes"]
    mimicry: Float[Tensor, "conformations views defoci modes rivals"]

    @property
    def rivals(self) -> tuple[str, ...]:
        """What may be mistaken for a motion along a mode: the other modes, pose and contrast."""
        return tuple(f"mode {number}" for number in self.mode_numbers) + POSE_RIVALS

    def at_snr(self, snr: float) -> "Observability":
        """Return the same for images of another signal-to-noise ratio: standard deviations go as 1 / sqrt(SNR)."""
        factor = (self.snr / snr) ** 0.5
        return replace(self, snr=snr, marginal=self.marginal * factor, conditional=self.conditional * factor)


def make_view_grid(count: int) -> Float[Tensor, "count 3 3"]:
    """Return `count` orientations whose views cover half the sphere evenly (a Fibonacci spiral), psi 0, float64.

    The other half shows mirror images of the same projections.
    """
    number = torch.arange(count, dtype=torch.float64)
    tilt = (1 - (number + 0.5) / count).arccos()
    rot = (number * GOLDEN_ANGLE) % (2 * math.pi)
    return euler_to_rotation(torch.stack((rot, tilt, torch.zeros_like(rot)), dim=-1))


def compute_observability(
    model: GaussianModel,
    modes: Modes,
    rotations: Float[Tensor, "views 3 3"],
    *,
    optics: Optics,
    formation: ImageFormation,
    amplitudes: Float[Tensor, "conformations {modes.n_modes}"] | None = None,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] | None = None,
) -> Observability:
    """Compute the Cramer-Rao bound of each mode from every view at every defocus, and what stands in its way.

    Parameters
    ----------
    model, modes
        The molecule and its ways to move.
    rotations
        The views.
    optics
        One row a defocus.
    formation
        Contrast and noise of the images, on the box of the noise.
    amplitudes
        Conformations to look at, A; by default only the undisplaced reference.
    device
        Where to compute.
    advance
        Called with the number of (conformation, view) pairs done since the last call.
    """
    amplitudes = torch.zeros(1, modes.n_modes) if amplitudes is None else amplitudes
    band = make_band(formation.noise.box_size, formation.noise.pixel_size, device=device)
    projector = GaussianProjector(model, modes, band)
    filters = _make_filters(band, optics, formation)
    state = _pair(rotations, amplitudes, device=device)
    found, signals = [], []
    numbers = (modes.n_modes + 6) * max(band.n_components, model.n_sites)
    for rows in torch.arange(len(state)).split(max(1, min(_LARGEST_BATCH, _BATCH_NUMBERS // numbers))):
        fisher, signal = _compute_fisher(projector, state.select(rows.to(device)), *filters)
        found.append(_marginalize(fisher.cpu(), n_modes=modes.n_modes, n_sites=model.n_sites))
        signals.append(signal)
        if advance is not None:
            advance(len(rows))
    shape = (len(amplitudes), len(rotations))
    marginal, conditional, mimicry = (torch.cat(part).unflatten(0, shape) for part in zip(*found, strict=True))
    # Until here the contrast was 1; what is c times as strong is known c times as well.
    signal = formation.contrast**2 * float(torch.cat(signals).mean())
    return Observability(
        mode_numbers=modes.numbers,
        n_sites=model.n_sites,
        rotations=rotations,
        amplitudes=amplitudes,
        defoci=(optics.defocus_u + optics.defocus_v) / 2,
        snr=signal / _compute_noise_variance(optics, formation),
        marginal=marginal / formation.contrast,
        conditional=conditional / formation.contrast,
        mimicry=mimicry,
    )


def _pair(
    rotations: Float[Tensor, "views 3 3"],
    amplitudes: Float[Tensor, "conformations modes"],
    *,
    device: torch.device | str,
) -> State:
    """Return every conformation from every view, unshifted: all views of the first, then of the next."""
    n_conformations, n_views = len(amplitudes), len(rotations)
    return State(
        rotations.repeat(n_conformations, 1, 1).float().to(device),
        torch.zeros(n_conformations * n_views, 2, device=device),
        amplitudes.repeat_interleave(n_views, dim=0).float().to(device),
    )


def _make_filters(
    band: Band, optics: Optics, formation: ImageFormation
) -> tuple[Float[Tensor, "defoci components"], Float[Tensor, "defoci components"]]:
    """Return the whitened transfer of each defocus, and the weights that turn |projection|^2 into pixel variance."""
    nothing = torch.zeros(len(optics), band.box_size, band.box_size)
    observed = make_observations(nothing, band, optics=optics, noise=formation.noise, b_factor=formation.b_factor)
    optics = optics.to(band.rows.device)
    power = formation.noise.compute_power(band.shells, compute_ctf(optics, band.frequencies))
    # The whitened power, times half the noise's, is the image's; each component stands for two of the plane.
    return observed.transfer, observed.transfer.square() * power / band.box_size**2


def _compute_fisher(
    projector: GaussianProjector,
    state: State,
    transfer: Float[Tensor, "defoci components"],
    signal_weights: Float[Tensor, "defoci components"],
) -> tuple[Float[Tensor, "images defoci parameters parameters"], Float[Tensor, "images defoci"]]:
    """Return the Fisher matrices of (amplitudes, rotation, shift, contrast) at contrast 1, and the images' variance."""
    value, derivatives = projector.linearize(state.rotations, state.shifts, state.amplitudes)
    signal = value.abs().square() @ signal_weights.T
    jacobian = torch.view_as_real(torch.cat((derivatives, value[:, None]), dim=1)).double()
    weighted = (jacobian * row[:, None] for row in transfer.double())
    return torch.stack([each.flatten(2) @ each.flatten(2).mT for each in weighted], dim=1), signal


def _marginalize(
    fisher: Float[Tensor, "images defoci parameters parameters"], *, n_modes: int, n_sites: int
) -> tuple[
    Float[Tensor, "images defoci modes"],
    Float[Tensor, "images defoci modes"],
    Float[Tensor, "images defoci modes rivals"],
]:
    """Return marginal and conditional standard deviations of the amplitudes, and the share that each rival has."""
    information = fisher.diagonal(dim1=-2, dim2=-1)
    least = torch.full_like(information, torch.finfo(torch.float64).tiny)
    least[..., :n_modes] = _LEAST_MOTION / n_sites * information[..., -3:-1].mean(-1, keepdim=True)
    scale = torch.maximum(information, least).rsqrt()
    values, vectors = torch.linalg.eigh(fisher * scale[..., :, None] * scale[..., None, :])
    covariance = (vectors / values.clamp_min(_UNSEEN)[..., None, :]) @ vectors.mT
    hidden = (vectors.square() * (values < _UNSEEN)[..., None, :]).sum(-1)[..., :n_modes] > _HIDDEN_SHARE
    marginal = covariance.diagonal(dim1=-2, dim2=-1)[..., :n_modes].sqrt() * scale[..., :n_modes]
    seen = information[..., :n_modes] >= _UNSEEN * least[..., :n_modes]
    conditional = torch.where(seen, information[..., :n_modes].clamp_min(1e-300).rsqrt(), torch.inf)
    return (
        torch.where(hidden, torch.inf, marginal),
        conditional,
        _compute_mimicry(covariance, n_modes=n_modes),
    )


def _compute_mimicry(
    covariance: Float[Tensor, "*batch parameters parameters"], *, n_modes: int
) -> Float[Tensor, "*batch modes rivals"]:
    """Return the squared multiple correlation of each amplitude's error with the error of each rival."""
    columns = [(mode,) for mode in range(n_modes)]
    columns += [tuple(n_modes + column for column in group) for group in _POSE_COLUMNS]
    variance = covariance.diagonal(dim1=-2, dim2=-1)[..., :n_modes]
    shares = []
    for group in columns:
        cross = covariance[..., :n_modes, group]
        explained = torch.linalg.solve(covariance[..., group, :][..., group], cross.mT).mT
        shares.append((cross * explained).sum(-1) / variance)
    mimicry = torch.stack(shares, dim=-1).clamp(0, 1)
    mimicry[..., range(n_modes), range(n_modes)] = 0
    return mimicry


def _compute_noise_variance(optics: Optics, formation: ImageFormation) -> float:
    """Return the variance of a pixel's noise, on average over the defoci."""
    box_size = formation.noise.box_size
    ctf = compute_ctf(optics.to("cpu"), make_frequencies(box_size, formation.noise.pixel_size))
    power = formation.noise.compute_power(make_shell_indices(box_size), ctf)
    weights = torch.full((box_size // 2 + 1,), 2.0)  # an inner column of the half plane stands for two
    weights[0] = 1
    if box_size % 2 == 0:
        weights[-1] = 1
    return float((power * weights).sum((-2, -1)).mean()) / box_size**2
