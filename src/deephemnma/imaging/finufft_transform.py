"""Point transforms on the CPU by FINUFFT (Barnett et al. 2019)."""

from concurrent.futures import ThreadPoolExecutor

import finufft
import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.imaging.band import Band
from deephemnma.imaging.grid_transform import GridTransform


class FinufftTransform(GridTransform):
    """One image a thread.

    Parameters
    ----------
    band, widths
        As in :class:`GridTransform`.
    tolerance
        Relative error asked of the transform, and of the damping.
    """

    def __init__(self, band: Band, widths: Float[Tensor, "sites"], *, tolerance: float) -> None:
        super().__init__(band, widths, tolerance=tolerance)
        self.tolerance = tolerance

    def transform_grid(
        self,
        angles: Float[Tensor, "images 2 sites"],
        strengths: Complex[Tensor, "images channels sites"],
        places: Int[Tensor, "places"],
    ) -> Complex[Tensor, "images channels places"]:
        """See :meth:`GridTransform.transform_grid`."""
        given, index = strengths.contiguous().numpy(), places.numpy()
        n_images, n_channels = given.shape[:2]
        points = angles.float().contiguous().numpy()
        taken = np.empty((n_images, n_channels, len(index)), dtype=np.complex64)

        def transform(rows: range) -> None:
            options = {"eps": self.tolerance, "isign": -1, "dtype": "complex64", "nthreads": 1}
            # Sorting the points costs more than it saves on grids that fit the cache.
            plan = finufft.Plan(1, (self.size, self.size), n_channels, spread_sort=0, **options)
            # The band is taken out while the grid of the one image is still in the cache.
            grid = np.empty((n_channels, self.size, self.size), dtype=np.complex64)
            for row in rows:
                plan.setpts(points[row, 1], points[row, 0])
                plan.execute(given[row], out=grid)
                np.take(grid.reshape(n_channels, -1), index, axis=1, out=taken[row], mode="clip")

        _run_in_threads(transform, n_images)
        return torch.from_numpy(taken)


def _run_in_threads(work, count: int) -> None:
    threads = min(torch.get_num_threads(), count)
    if threads <= 1:
        work(range(count))
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [range(first, count, threads) for first in range(threads)]))
