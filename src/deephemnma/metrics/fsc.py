"""Fourier shell correlation of two maps."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap


@dataclass(frozen=True)
class ShellCurve:
    """A Fourier shell correlation.

    Attributes
    ----------
    frequencies
        Of the shells, 1/A, from the first above zero to Nyquist.
    correlation
        -1 to 1.
    """

    frequencies: Float[Tensor, "shells"]
    correlation: Float[Tensor, "shells"]


def compute_fsc(first: DensityMap, second: DensityMap, *, mask: Float[Tensor, "z y x"] | None = None) -> ShellCurve:
    """Return the Fourier shell correlation (Harauz & van Heel 1986) of two maps on the same grid.

    Parameters
    ----------
    first, second
        Maps with the same box and voxel size.
    mask
        Multiplies both maps first; soft edges, 0-1.

    Raises
    ------
    InputError
        If the maps (or the mask) differ in box or voxel size.
    """
    _check_same_grid(first, second, mask)
    window = 1.0 if mask is None else mask
    transforms = [torch.fft.rfftn(each.values.float() * window) for each in (first, second)]
    shells = make_shells(first.values.shape[0], device=first.values.device)
    power = [_sum_shells(each.abs().square(), shells) for each in transforms]
    common = _sum_shells((transforms[0] * transforms[1].conj()).real, shells)
    floor = torch.finfo(torch.float64).tiny
    correlation = common / (power[0] * power[1]).sqrt().clamp(min=floor)
    box_size = first.values.shape[0]
    last = box_size // 2 + 1
    frequencies = torch.arange(last, dtype=torch.float64, device=correlation.device) / (box_size * first.voxel_size)
    return ShellCurve(frequencies[1:], correlation[1:last])


def find_crossing(curve: ShellCurve, threshold: float) -> float:
    """Return the resolution (A) at which `curve` first falls below `threshold`, linear between shells.

    The last shell's resolution if it never does; infinity if it starts below.
    """
    below = (curve.correlation < threshold).nonzero()
    if len(below) == 0:
        return 1 / float(curve.frequencies[-1])
    shell = int(below[0])
    if shell == 0:
        return math.inf
    high, low = curve.correlation[shell - 1 : shell + 1].tolist()
    start, end = curve.frequencies[shell - 1 : shell + 1].tolist()
    return 1 / (start + (end - start) * (high - threshold) / (high - low))


def make_shells(box_size: int, *, device: torch.device | str = "cpu") -> Tensor:
    """Return the shell (nearest integer radius) of each component of ``rfftn`` of a cubic map."""
    full = torch.fft.fftfreq(box_size, 1 / box_size, device=device)
    half = torch.fft.rfftfreq(box_size, 1 / box_size, device=device)
    radius = (full[:, None, None] ** 2 + full[:, None] ** 2 + half**2).sqrt()
    return radius.round().long()


def _sum_shells(values: Float[Tensor, "z y half"], shells: Tensor) -> Float[Tensor, "shells"]:
    # The half that rfftn leaves out is the mirror image: all but the first column (and an even box's last) count twice.
    size = values.shape[0]
    weight = torch.full((values.shape[-1],), 2.0, dtype=torch.float64, device=values.device)
    weight[0] = 1.0
    if size % 2 == 0:
        weight[-1] = 1.0
    return torch.bincount(shells.flatten(), weights=(values.double() * weight).flatten())


def _check_same_grid(first: DensityMap, second: DensityMap, mask: Tensor | None) -> None:
    shape, other = tuple(first.values.shape), tuple(second.values.shape)
    if len(set(shape)) > 1:
        raise InputError(f"A Fourier shell correlation needs cubic maps, but {first.source} is {shape}.")
    if shape != other or abs(first.voxel_size / second.voxel_size - 1) > 1e-3:
        raise InputError(
            f"Both maps must have the same box and voxel size, but {first.source} has {shape} at "
            f"{first.voxel_size:.4g} A and {second.source} has {other} at {second.voxel_size:.4g} A."
        )
    if mask is not None and tuple(mask.shape) != shape:
        raise InputError(f"The mask must have the maps' box {shape}, but has {tuple(mask.shape)}.")
