"""From the components of a box back to real space."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.reference.fit.box import Components


def make_grid(
    components: Components, values: Complex[Tensor, "components"], *, mean: float = 0.0
) -> Float[Tensor, "z y x"]:
    """Return the real map of `values` on the coarsest grid that holds them, `mean` being the component at zero."""
    side = 2 * int(components.indices.abs().max()) + 2
    grid = torch.zeros(side, side, side // 2 + 1, dtype=torch.complex64)
    x, y, z = components.indices.unbind(-1)
    grid[z % side, y % side, x] = values.to(torch.complex64)
    both = x == 0  # the plane of which the other half is not stored apart
    grid[-z[both] % side, -y[both] % side, 0] = values[both].to(torch.complex64).conj()
    grid[0, 0, 0] = mean
    return torch.fft.irfftn(grid, s=(side, side, side))
