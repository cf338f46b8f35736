"""Images as the likelihood sees them: whitened Fourier components, and the filter that a projection passes."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.core.fourier import fourier_transform
from deephemnma.core.particle import Optics
from deephemnma.imaging.band import Band
from deephemnma.imaging.ctf import compute_ctf, compute_envelope
from deephemnma.imaging.noise import NoiseModel


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
    """

    band: Band
    data: Complex[Tensor, "images components"]
    transfer: Float[Tensor, "images components"]

    def __len__(self) -> int:
        return self.data.shape[0]

    def select(self, rows: Int[Tensor, "rows"]) -> "Observations":
        """Return the observations of `rows`, which may repeat."""
        return Observations(self.band, self.data[rows], self.transfer[rows])

    def restrict(self, band: Band) -> "Observations":
        """Return the part of the components that lies in a smaller `band` of the same images."""
        kept = _find_components(self.band, band)
        return Observations(band, self.data[:, kept], self.transfer[:, kept])


def make_observations(
    images: Float[Tensor, "images box box"],
    band: Band,
    *,
    optics: Optics | None,
    noise: NoiseModel,
    b_factor: float = 0.0,
) -> Observations:
    """Whiten `images` by `noise` on the components of `band`, on the band's device.

    The projections to be compared with them pass the CTF of `optics` and the envelope of `b_factor` (A^2).
    """
    device = band.rows.device
    ctf = None if optics is None else compute_ctf(optics.to(device), band.frequencies)
    group = None if optics is None else optics.group
    whitening = (2 / noise.compute_power(band.shells, ctf, group)).sqrt()
    data = band.extract(fourier_transform(images.to(device, torch.float32))) * whitening
    transfer = compute_envelope(band.frequencies, b_factor) * whitening
    transfer = transfer if ctf is None else ctf * transfer
    return Observations(band, data, transfer.expand(len(images), -1))


def _find_components(outer: Band, inner: Band) -> Int[Tensor, "components"]:
    """Return where the components of `inner` stand in `outer`."""
    half = outer.box_size // 2 + 1
    place = torch.full((outer.box_size * half,), -1, device=outer.rows.device)
    place[(outer.rows % outer.box_size) * half + outer.columns] = torch.arange(
        outer.n_components, device=outer.rows.device
    )
    return place[(inner.rows % inner.box_size) * half + inner.columns]
