"""The Fourier components that take part: a disc of the half plane."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.core.fourier import make_frequencies, make_shell_indices


@dataclass(frozen=True)
class Band:
    """Components of the half-plane transform with ``min_index <= |index| <= max_index``, each independent.

    The self-conjugate column is halved, so that every component counts twice in a sum over the whole plane. The zero
    frequency is never in: the mean of an image says nothing. Neither is the Nyquist frequency.

    Attributes
    ----------
    box_size, pixel_size
        Of the images (pixels, A).
    max_index
        Radius of the disc in Fourier pixels.
    columns, rows
        Integer frequencies (x, y), in Fourier pixels; x is never negative.
    """

    box_size: int
    pixel_size: float
    max_index: int
    columns: Int[Tensor, "components"]
    rows: Int[Tensor, "components"]

    @property
    def resolution(self) -> float:
        """Of the disc's edge, A."""
        return self.box_size * self.pixel_size / self.max_index

    @property
    def n_components(self) -> int:
        """Number of complex components."""
        return self.columns.shape[0]

    @property
    def frequencies(self) -> Float[Tensor, "components 2"]:
        """Frequencies (x, y), 1/A."""
        return torch.stack((self.columns, self.rows), dim=-1).float() / (self.box_size * self.pixel_size)

    @property
    def shells(self) -> Int[Tensor, "components"]:
        """Radial shell of each component, nearest integer."""
        return make_shell_indices(self.box_size, device=self.rows.device)[self.rows, self.columns]

    def extract(self, transforms: Complex[Tensor, "*batch box half"]) -> Complex[Tensor, "*batch components"]:
        """Take the components of the band out of half-plane transforms."""
        return transforms[..., self.rows, self.columns]

    def embed(self, components: Complex[Tensor, "*batch components"]) -> Complex[Tensor, "*batch box half"]:
        """Put components into half-plane transforms that are zero elsewhere: the adjoint of :meth:`extract`."""
        n, half = self.box_size, self.box_size // 2 + 1
        transforms = components.new_zeros(*components.shape[:-1], n, half)
        transforms[..., self.rows, self.columns] = components
        own_mirror = self.columns == 0
        transforms[..., -self.rows[own_mirror], 0] = components[..., own_mirror].conj()
        return transforms


def make_band(box_size: int, pixel_size: float, *, resolution: float = 0.0, device: torch.device | str = "cpu") -> Band:
    """Make the band of all components coarser than `resolution` (A), at most up to just below Nyquist."""
    nyquist = (box_size - 1) // 2
    wanted = nyquist if resolution <= 0 else int(box_size * pixel_size / resolution)
    max_index = max(1, min(wanted, nyquist))
    grid = (make_frequencies(box_size, 1 / box_size, device=device)).round().long()
    kx, ky = grid.unbind(-1)
    inside = (kx**2 + ky**2 <= max_index**2) & ((kx > 0) | (ky > 0))
    return Band(box_size, pixel_size, max_index, kx[inside], ky[inside])
