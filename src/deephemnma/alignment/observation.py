"""Images as the likelihood sees them: whitened Fourier components, and the filter that a projection passes."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.alignment.prior import AmplitudePrior
from deephemnma.core.fourier import fourier_transform
from deephemnma.core.particle import Optics
from deephemnma.imaging.band import Band
from deephemnma.imaging.circular_mask import fill_background
from deephemnma.imaging.ctf import compute_ctf, compute_envelope
from deephemnma.imaging.noise import NoiseModel
from deephemnma.settings.likelihood import LikelihoodSettings


@dataclass(frozen=True)
class Observations:
    """Whitened components of some images, and the whitened transfer of each.

    The scale is such that minus the log likelihood of a projection p with contrast a is
    ``0.5 * sum |data - a * transfer * p|^2``, and the Fisher matrix is ``Re(J^H J)`` of the whitened derivatives.

    Attributes
    ----------
    band
        The components.
    data
        ``image * sqrt(2 / noise power)``: with noise alone, real and imaginary parts have variance 1.
    transfer
        ``CTF * envelope * sqrt(2 / noise power)``.
    prior
        What is known of the amplitudes beforehand; None for nothing.
    """

    band: Band
    data: Complex[Tensor, "images components"]
    transfer: Float[Tensor, "images components"]
    prior: AmplitudePrior | None = None

    def __len__(self) -> int:
        return self.data.shape[0]

    @property
    def degrees(self) -> int:
        """Number of real data of an image that count: those beyond the coarsest resolution do not."""
        return 2 * int((self.transfer != 0).any(dim=0).sum())

    def select(self, rows: Int[Tensor, "rows"]) -> "Observations":
        """Return the observations of `rows`, which may repeat."""
        return replace(self, data=self.data[rows], transfer=self.transfer[rows])

    def restrict(self, band: Band) -> "Observations":
        """Return the part of the components that lies in a smaller `band` of the same images."""
        kept = _find_components(self.band, band)
        return replace(self, band=band, data=self.data[:, kept], transfer=self.transfer[:, kept])


def make_observations(
    images: Float[Tensor, "images box box"],
    band: Band,
    *,
    optics: Optics | None,
    noise: NoiseModel,
    b_factor: float = 0.0,
    likelihood: LikelihoodSettings | None = None,
    prior: AmplitudePrior | None = None,
) -> Observations:
    """Whiten `images` by `noise` on the components of `band`, on the band's device.

    Parameters
    ----------
    images
        On any device.
    band
        The components wanted.
    optics
        Whose CTF the projections pass, and whose groups the noise tells apart; None without CTF.
    noise, b_factor
        Of the images; the envelope of the B-factor (A^2) is passed by the projections alone.
    likelihood
        Mask and coarsest resolution; None for neither.
    prior
        What is known of the amplitudes beforehand.
    """
    device = band.rows.device
    likelihood = likelihood or LikelihoodSettings()
    images = images.to(device, torch.float32)
    if likelihood.mask_radius:
        images = fill_background(images, radius=likelihood.mask_radius, optics=optics, noise=noise)
    ctf = None if optics is None else compute_ctf(optics.to(device), band.frequencies)
    group = None if optics is None else optics.group
    whitening = (2 / noise.compute_power(band.shells, ctf, group)).sqrt()
    if likelihood.low_resolution:
        whitening = whitening * (band.frequencies.norm(dim=1) >= 1 / likelihood.low_resolution)
    data = band.extract(fourier_transform(images)) * whitening
    transfer = compute_envelope(band.frequencies, b_factor) * whitening
    transfer = transfer if ctf is None else ctf * transfer
    return Observations(band, data, transfer.expand(len(images), -1), prior)


def _find_components(outer: Band, inner: Band) -> Int[Tensor, "components"]:
    """Return where the components of `inner` stand in `outer`."""
    half = outer.box_size // 2 + 1
    place = torch.full((outer.box_size * half,), -1, device=outer.rows.device)
    place[(outer.rows % outer.box_size) * half + outer.columns] = torch.arange(
        outer.n_components, device=outer.rows.device
    )
    return place[(inner.rows % inner.box_size) * half + inner.columns]
