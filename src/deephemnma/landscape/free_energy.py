"""The free energy that a density of images stands for."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import gaussian_kde
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.landscape import Landscape


@dataclass(frozen=True)
class FreeEnergy:
    """Free energy over two axes of a landscape.

    Attributes
    ----------
    first, second
        Grid points along the two axes, A.
    energy
        In units of kT, 0 at the densest point.
    """

    first: Float[Tensor, "columns"]
    second: Float[Tensor, "rows"]
    energy: Float[Tensor, "rows columns"]


def compute_free_energy(landscape: Landscape, *, axes: tuple[int, int] = (1, 2), n_points: int = 64) -> FreeEnergy:
    """Return ``-ln(density)`` of the images over two axes (numbers from 1), by a Gaussian kernel density estimate.

    It is a free energy only as far as the vitrified sample is an equilibrium one and every conformation is picked and
    aligned alike; errors of the amplitudes smear it.
    """
    chosen = [axis - 1 for axis in axes]
    if len(landscape.names) <= 2 or not all(0 <= axis < landscape.coordinates.shape[1] for axis in chosen):
        raise InputError(
            f"A free energy needs 3 or more images and two axes of the landscape, but {len(landscape.names)} images "
            f"and the axes {axes} of {landscape.coordinates.shape[1]} came."
        )
    points = landscape.coordinates[:, chosen].numpy().T
    margin = 0.1 * np.ptp(points, axis=1)
    first, second = np.linspace(points.min(1) - margin, points.max(1) + margin, n_points).T
    grid = np.stack(np.meshgrid(first, second)).reshape(2, -1)
    log_density = torch.from_numpy(gaussian_kde(points).logpdf(grid)).reshape(n_points, n_points)
    return FreeEnergy(torch.from_numpy(first), torch.from_numpy(second), log_density.max() - log_density)
