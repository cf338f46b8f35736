"""How alike the projections of two densities are, in the mean over all views."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.fourier import choose_box_size
from deephemnma.reference.atomic_density import AtomicDensity

SAMPLES = 3.0  # a resolution: what would alias into the band is beyond twice its edge
BLUR = 0.35  # resolutions: damps that to below 0.1 % of the band's edge
REACH = 4.0  # standard deviations
PADDING = 1.2  # sides of the molecule
CHUNK = 4_000_000  # voxels of patches at a time


def compute_projection_correlation(first: AtomicDensity, second: AtomicDensity, *, resolution: float) -> float:
    """Return the correlation of projections, band-limited at `resolution` (A), in the mean over all views.

    The slices of all views sample each frequency k as often as 1/|k|, so that the mean scalar product of
    projections is the one of the 3D transforms with that weight. Means are not subtracted: they are part of the
    band, and no box around the images enters.
    """
    if not resolution > 0:
        raise InputError(f"The resolution (--bead-resolution) must be a positive length in A, not {resolution:g}.")
    lattice = _make_lattice(first, second, resolution=resolution)
    spectra = [_transform(density, lattice) for density in (first, second)]
    crossed, one, two = _integrate(*spectra, lattice, resolution=resolution)
    return crossed / math.sqrt(one * two)


@dataclass(frozen=True)
class _Lattice:
    """Cubic voxels about two densities.

    Attributes
    ----------
    corner
        Of voxel (0, 0, 0), x y z, A.
    spacing
        A.
    shape
        Voxels, x y z.
    blur
        Standard deviation, A, added to every Gaussian so that it can be sampled.
    """

    corner: Float[Tensor, "3"]
    spacing: float
    shape: tuple[int, int, int]
    blur: float


def _make_lattice(first: AtomicDensity, second: AtomicDensity, *, resolution: float) -> _Lattice:
    spacing, blur = resolution / SAMPLES, BLUR * resolution
    widest = max(float(density.variances.max()) for density in (first, second))
    margin = REACH * math.sqrt(widest + blur**2) + spacing
    ends = torch.cat((first.positions, second.positions)).aminmax(dim=0)
    sides = (PADDING * (ends.max - ends.min) + 2 * margin) / spacing
    shape = tuple(choose_box_size(math.ceil(float(side))) for side in sides)
    return _Lattice(ends.min - margin, spacing, shape, blur)


def _transform(density: AtomicDensity, lattice: _Lattice) -> Complex[Tensor, "x y half"]:
    blurred = replace(density, variances=density.variances + lattice.blur**2)
    radii = (REACH / lattice.spacing * blurred.variances.max(dim=1).values.sqrt()).ceil().long()
    grid = torch.zeros(math.prod(lattice.shape))
    for radius in radii.unique().tolist():
        rows = (radii == radius).nonzero().reshape(-1)
        for part in rows.split(max(1, CHUNK // (2 * radius + 1) ** 3)):
            _splat(grid, blurred.take(part), lattice, radius=radius)
    return torch.fft.rfftn(grid.reshape(lattice.shape))


def _splat(grid: Float[Tensor, "voxels"], density: AtomicDensity, lattice: _Lattice, *, radius: int) -> None:
    """Add Gaussians to the grid, in place."""
    steps = torch.arange(-radius, radius + 1)
    weights, variances = density.weights, density.variances
    places = (density.positions - lattice.corner) / lattice.spacing
    nearest = places.round()
    distances = (lattice.spacing * (steps - (places - nearest)[:, :, None])).float()
    exponents = -0.5 * distances.square()[:, None] / variances.float()[:, :, None, None]
    scale = (lattice.spacing / (2 * math.pi * variances).sqrt()).float()
    x, y, z = (exponents.exp() * scale[:, :, None, None]).unbind(2)
    plane = torch.einsum("nta,ntb->ntab", x * weights.float()[:, :, None], y).flatten(2)
    values = torch.einsum("ntp,ntc->npc", plane, z)
    strides = torch.tensor((lattice.shape[1] * lattice.shape[2], lattice.shape[2], 1))
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1).reshape(-1, 3) @ strides
    grid.index_add_(0, ((nearest.long() @ strides)[:, None] + cube).reshape(-1), values.reshape(-1))


def _integrate(
    first: Complex[Tensor, "x y half"], second: Complex[Tensor, "x y half"], lattice: _Lattice, *, resolution: float
) -> tuple[float, float, float]:
    """Return the scalar product of two transforms and their squared norms, over the band, each frequency by 1/|k|."""
    kx, ky = (torch.fft.fftfreq(side, lattice.spacing) for side in lattice.shape[:2])
    kz = torch.fft.rfftfreq(lattice.shape[2], lattice.spacing)
    kept = int((kz <= 1 / resolution).sum())
    twice = torch.where(kz[:kept] == 0, 1.0, 2.0)  # the other half of the half space
    in_plane = ky[:, None].square() + kz[None, :kept].square()
    # the mean of 1/|k| over the cell about zero, taken for a ball of its volume
    cell = (3 / (4 * math.pi * math.prod(lattice.shape))) ** (1 / 3) / lattice.spacing
    sums = torch.zeros(3, dtype=torch.float64)
    for plane in (kx.abs() <= 1 / resolution).nonzero().reshape(-1).tolist():
        square = in_plane + kx[plane] ** 2
        weight = twice * (4 * math.pi**2 * lattice.blur**2 * square).exp() / square.sqrt().clamp_min(cell / 1.5)
        weight[square > 1 / resolution**2] = 0
        one, two = first[plane, :, :kept], second[plane, :, :kept]
        products = ((one * two.conj()).real, one.abs().square(), two.abs().square())
        sums += torch.stack([(weight * product).sum(dtype=torch.float64) for product in products])
    return tuple(sums.tolist())
