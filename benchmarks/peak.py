"""What one core of this machine can do, and what the operations of a projector ask of it."""

import math
import time
from collections.abc import Callable

import torch

from deephemnma.imaging.band import Band

UPSAMPLING = 1.25
"""Of FINUFFT's fine grid, which it chooses itself at low accuracy."""


def measure_rate(work: Callable[[], object], *, seconds: float) -> float:
    """Return how many times a CPU second `work` is done, after once to warm up."""
    work()
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        work()
        done += 1
    return done / spent


def measure_product_gflops(*, size: int = 1024, seconds: float = 1.0) -> float:
    """Return the GFLOP/s of a float32 matrix product: the practical peak of arithmetic."""
    first, second = torch.randn(2, size, size)
    return 2 * size**3 / 1e9 * measure_rate(lambda: first @ second, seconds=seconds)


def measure_copy_gbytes(*, mebibytes: int = 256, seconds: float = 1.0) -> float:
    """Return the GB/s, read and written, of a copy that no cache holds: the practical peak of memory."""
    source = torch.ones(mebibytes * 2**18)
    target = torch.empty_like(source)
    return 2 * mebibytes * 2**20 / 1e9 * measure_rate(lambda: target.copy_(source), seconds=seconds)


def count_traffic(band: Band, *, channels: int) -> int:
    """Return the bytes that must be written for an image whatever the method: `channels` complex values a component."""
    return 8 * channels * band.n_components


def count_matrix_flops(band: Band, *, n_sites: int, channels: int) -> float:
    """Return the operations of the products of waves: cosines and sines of non-negative frequencies."""
    return channels * 8 * (band.max_index + 1) ** 2 * n_sites


def count_fft_flops(side: float, *, transforms: int) -> float:
    """Return the customary count for complex transforms of a square grid."""
    return transforms * 5 * side**2 * math.log2(side**2)


def count_finufft_flops(band: Band, *, n_sites: int, transforms: int, tolerance: float) -> float:
    """Return the operations of spreading (kernel width as in Barnett et al. 2019, eq. 3.2) and of the FFTs."""
    width = math.ceil(math.log(10 / tolerance) / (math.pi * math.sqrt(1 - 1 / UPSAMPLING)))
    side = UPSAMPLING * (2 * band.max_index + 1)
    return transforms * 4 * n_sites * width**2 + count_fft_flops(side, transforms=transforms)


def count_splat_flops(band: Band, *, n_sites: int, transforms: int, half_width: int) -> float:
    """Return the operations of spreading and of the FFTs on a grid twice as fine."""
    side = 2 * (2 * band.max_index + 1)
    return transforms * 4 * n_sites * (2 * half_width) ** 2 + count_fft_flops(side, transforms=transforms)


def count_slice_flops(band: Band, *, channels: int) -> float:
    """Return the operations of trilinear interpolation: eight neighbours, two parts of each channel."""
    return 2 * 8 * 2 * channels * band.n_components
