"""The one thing that is projected (`GaussianModel`) and the ways it moves (`Modes`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError


@dataclass(frozen=True)
class GaussianModel:
    """A sum of isotropic Gaussians: atoms, beads or pseudoatoms.

    Attributes
    ----------
    positions
        x y z, A, relative to `center`, about which the model rotates.
    weights
        Integral of each Gaussian (scattering factor, mass or density; the contrast of an image is fitted anyway).
    widths
        Standard deviation of each Gaussian, A.
    center
        Origin of `positions` in the frame of the file, A.
    """

    positions: Float[Tensor, "sites 3"]
    weights: Float[Tensor, "sites"]
    widths: Float[Tensor, "sites"]
    center: Float[Tensor, "3"]

    @property
    def n_sites(self) -> int:
        """Number of Gaussians."""
        return self.positions.shape[0]

    @property
    def radius(self) -> float:
        """Greatest distance of a site from the centre, A."""
        return float(self.positions.norm(dim=-1).max())

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "GaussianModel":
        """Return a copy on `device`."""
        return GaussianModel(
            **{name: getattr(self, name).to(device, dtype) for name in ("positions", "weights", "widths", "center")}
        )


class Basis(StrEnum):
    """Where the vectors of :class:`Modes` come from."""

    NORMAL_MODES = "normal_modes"
    """Of an elastic network; numbers 1-6 are the rigid-body modes."""
    PRINCIPAL_COMPONENTS = "principal_components"
    """Of an ensemble or trajectory; eigenvalues are variances, A^2, and high is soft."""
    IMPORTED = "imported"
    """From a file of another program, with its numbers."""


@dataclass(frozen=True)
class Modes:
    """A linear basis of displacements: normal modes, or any other.

    Attributes
    ----------
    vectors
        Unit L2 norm over all sites and axes, so that amplitudes are in A and RMSD = |amplitudes| / sqrt(sites).
    eigenvalues
        In the units of the force field; low is soft. Variances, A^2, of principal components.
    numbers
        The users' numbers, from 1; of normal modes 1-6 are the rigid-body modes.
    basis
        Where the vectors come from.
    """

    vectors: Float[Tensor, "modes sites 3"]
    eigenvalues: Float[Tensor, "modes"]
    numbers: tuple[int, ...]
    basis: Basis = Basis.NORMAL_MODES

    @property
    def n_modes(self) -> int:
        """Number of modes."""
        return self.vectors.shape[0]

    @property
    def n_sites(self) -> int:
        """Number of displaced sites."""
        return self.vectors.shape[1]

    def select(self, numbers: Sequence[int]) -> "Modes":
        """Return the modes with these numbers, in this order.

        Raises
        ------
        InputError
            If a number is not among :attr:`numbers`.
        """
        missing = [number for number in numbers if number not in self.numbers]
        if missing:
            raise InputError(
                f"Mode {missing[0]} was asked for, but the modes at hand are "
                f"{self.numbers[0]}-{self.numbers[-1]}: choose among them or compute more (--n-modes)."
            )
        rows = [self.numbers.index(number) for number in numbers]
        return Modes(self.vectors[rows], self.eigenvalues[rows], tuple(numbers), self.basis)

    def displace(
        self, positions: Float[Tensor, "sites 3"], amplitudes: Float[Tensor, "images modes"]
    ) -> Float[Tensor, "images sites 3"]:
        """Return ``positions + sum_m amplitudes_m vectors_m`` for every row of `amplitudes` (A)."""
        return positions + torch.einsum("im,msx->isx", amplitudes, self.vectors)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "Modes":
        """Return a copy on `device`."""
        return replace(self, vectors=self.vectors.to(device, dtype), eigenvalues=self.eigenvalues.to(device, dtype))
