"""Which point transform is the fastest."""

from jaxtyping import Float
from torch import Tensor

from deephemnma.imaging.band import Band
from deephemnma.imaging.finufft_transform import FinufftTransform
from deephemnma.imaging.point_transform import PointTransform
from deephemnma.imaging.separable_transform import SeparableTransform
from deephemnma.imaging.splat_transform import SplatTransform

SPLAT_FROM_INDEX = 192
"""On a GPU matrix products, which add nothing at random places, serve all smaller bands."""


def make_point_transform(band: Band, widths: Float[Tensor, "sites"], *, tolerance: float = 1e-4) -> PointTransform:
    """Return the fastest transform for the device, the band and the number of sites.

    Parameters
    ----------
    band
        The components wanted, on the device that computes.
    widths
        Standard deviations of the Gaussians, A.
    tolerance
        Relative error allowed.
    """
    if band.rows.device.type != "cpu":
        if band.max_index < SPLAT_FROM_INDEX:
            return SeparableTransform(band, widths)
        return SplatTransform(band, widths, tolerance=tolerance, half_width=4 if tolerance >= 1e-4 else 6)
    finufft, matrices = FinufftTransform(band, widths, tolerance=tolerance), SeparableTransform(band, widths)
    sizes = {"n_sites": len(widths), "max_index": band.max_index}
    return matrices if are_matrices_faster(**sizes, n_terms=finufft.n_terms) else finufft


def are_matrices_faster(*, n_sites: int, max_index: int, n_terms: int) -> bool:
    """Return whether, on a CPU core, matrix products are faster than non-uniform FFTs.

    Nanoseconds for a real weight of every site, fitted to measurements. Matrices make waves, weight them and multiply;
    an FFT spreads points and transforms a grid for every term of the damping.
    """
    orders, side = max_index + 1, 2 * max_index + 1
    matrices = n_sites * orders * (3 + 0.12 * orders) + 10 * orders**2
    transforms = 3000 + n_terms * (27 * n_sites + 6 * side**2)
    return matrices < transforms
