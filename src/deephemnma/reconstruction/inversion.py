"""From summed Fourier samples to a map."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.structure import DensityMap
from deephemnma.metrics.fsc import ShellCurve, make_shells
from deephemnma.reconstruction.back_projection import BackProjection


def invert(
    back_projection: BackProjection, *, regularization: Float[Tensor, "shells"] | float, source: str
) -> DensityMap:
    """Return the map: samples divided by their regularised weights, transformed, the interpolation taken out.

    ``F = sum(CTF * image) / (sum(CTF^2) + regularization * mean weight of the shell)``. Values are a voxel's share of
    the particle's projection, in the images' grey values: the sum along z of the map is its projection.

    Parameters
    ----------
    back_projection
        Of at least one image.
    regularization
        Inverse signal-to-noise ratio, for every shell of the oversampled grid or for all.
    source
        What the map is, for messages.
    """
    weight = back_projection.weight
    size = weight.shape[0]
    shells = make_shells(size, device=weight.device)
    counts = torch.bincount(shells.flatten())
    mean = torch.bincount(shells.flatten(), weights=weight.flatten().double()) / counts.clamp(min=1)
    ridge = (mean * regularization).float()[shells]
    transform = back_projection.numerator / (weight + ridge).clamp(min=torch.finfo(torch.float32).tiny)
    padded = torch.fft.fftshift(torch.fft.irfftn(transform, s=(size, size, size)))
    values = _crop(padded, back_projection.box_size) / _make_kernel(back_projection)
    box_size, pixel_size = back_projection.box_size, back_projection.pixel_size
    origin = torch.full((3,), -float(box_size // 2) * pixel_size, dtype=torch.float64)
    return DensityMap(values.cpu(), pixel_size, origin, source)


def compute_regularization(curve: ShellCurve, *, box_size: int, padding: int) -> Float[Tensor, "shells"]:
    """Return the inverse signal-to-noise ratio of all images together, from the correlation of their halves.

    ``SNR = 2 FSC / (1 - FSC)`` (Rosenthal & Henderson 2003; as the prior of Scheres 2012, J. Mol. Biol. 415, 406),
    for the shells of the grid oversampled `padding` times.
    """
    correlation = torch.cat((curve.correlation[:1], curve.correlation)).cpu().clamp(1e-3, 0.999)
    inverse = (1 - correlation) / (2 * correlation)
    shells = make_shells(box_size * padding).max() + 1
    position = (torch.arange(int(shells), dtype=torch.float64) / padding).clamp(max=len(inverse) - 1)
    lower = position.floor().long()
    upper = (lower + 1).clamp(max=len(inverse) - 1)
    return torch.lerp(inverse[lower], inverse[upper], position - lower)


def _crop(values: Float[Tensor, "size size size"], box_size: int) -> Float[Tensor, "box box box"]:
    first = values.shape[0] // 2 - box_size // 2
    inside = slice(first, first + box_size)
    return values[inside, inside, inside]


def _make_kernel(back_projection: BackProjection) -> Float[Tensor, "box box box"]:
    """Return the real-space image of trilinear interpolation, by which it darkens the map: sinc^2 along each axis."""
    box_size, device = back_projection.box_size, back_projection.cells.device
    axis = torch.arange(box_size, dtype=torch.float32, device=device) - box_size // 2
    factor = torch.sinc(axis / (box_size * back_projection.padding)).square()
    return factor[:, None, None] * factor[:, None] * factor
