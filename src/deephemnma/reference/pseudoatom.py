"""EM map -> pseudoatoms (Jonic & Sorzano 2016, IEEE J. Sel. Top. Signal Process. 10:161)."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import DensityMap
from deephemnma.reference.packing import Packing, pack_gaussians
from deephemnma.reference.region import compute_threshold, find_molecule
from deephemnma.reference.splat import get_margin

BLUR = 0.7  # widths
WIDENING = 1.25
TYPICAL_PACKING = 2.0  # widths between neighbours, of fitted models
COARSEST_SAMPLING = 1.0  # widths; a Gaussian sampled at its width is known everywhere


@dataclass(frozen=True)
class _Target:
    """The density to fit, on a grid cut out of the map and thinned out, with a margin of zeros."""

    values: Float[Tensor, "z y x"]
    corner: tuple[float, float, float]
    """Place of voxel (0, 0, 0) in the map, voxels of the map, z y x."""
    step: int
    """Voxels of the map from one voxel of the grid to the next."""


def make_pseudoatoms(
    density: DensityMap,
    *,
    target_error: float = 0.05,
    width: float | None = None,
    threshold: float | None = None,
    max_sites: int = 5000,
) -> GaussianModel:
    """Represent a map by Gaussians of one width, so that it can be projected and has normal modes.

    Gaussians are added where the residual is greatest and all are moved and weighed by gradient descent, until
    ``|model - map| / |map|`` (L2 norms) is at most `target_error`. Both sides are compared through a blur of 0.7
    widths: finer detail no Gaussian of this width can hold, and in a sharpened map it is mostly noise.

    Parameters
    ----------
    target_error
        Relative error, above 0 and below 1.
    width
        Standard deviation of the Gaussians, A, at least 0.5 voxels. By default one voxel; where the molecule is too
        large for `max_sites` such Gaussians, the least width, in steps of a quarter, with which they do.
    threshold
        Density above which a voxel is the molecule's, positive; by default Otsu's. Small loose pieces are left out;
        positive density up to one width around what remains is part of it.
    max_sites
        Greatest number of Gaussians.

    Returns
    -------
    model
        Its `center` is the centre of voxel ``n // 2`` of the box, so that poses refer to the map's own centre. The
        weights are the integrals of the Gaussians in units of the map times A^3.

    Raises
    ------
    InputError
        If nothing lies above the threshold, or the error is not reached: says which was, and what to change.
    """
    _check_options(density, target_error=target_error, width=width, max_sites=max_sites)
    values = density.values.numpy()
    threshold = compute_threshold(values) if threshold is None else threshold
    molecule = find_molecule(values, threshold=threshold)
    if not threshold > 0 or not molecule.any():
        raise InputError(
            f"No voxel of {density.source} is above a positive threshold ({threshold:g} was tried, the map reaches "
            f"{values.max():g}): the molecule must be bright; invert the map, or remove what outshines the molecule."
        )
    widths = _make_widths(int(molecule.sum()), max_sites) if width is None else (width / density.voxel_size,)
    for candidate in widths:
        target = _make_target(values, molecule, width=candidate)
        packing = _pack(target, width=candidate, target_error=target_error, max_sites=max_sites)
        if packing.error <= target_error:
            return _make_model(packing, target, width=candidate, density=density)
        if len(packing.weights) < max_sites:
            break
    raise InputError(
        f"{len(packing.weights)} Gaussians of {candidate * density.voxel_size:.2f} A represent {density.source} with "
        f"an error of {packing.error:.3f} at best, not {target_error:g}: the map may be noisy at this scale; low-pass "
        f"it, or set --target-error to {math.ceil(100 * packing.error) / 100 + 0.01:.2f}, or change --width."
    )


def _check_options(density: DensityMap, *, target_error: float, width: float | None, max_sites: int) -> None:
    if not 0 < target_error < 1:
        raise InputError(
            f"The error of the pseudoatoms (--target-error) must lie between 0 and 1, not {target_error:g}."
        )
    if width is not None and not width >= 0.5 * density.voxel_size:
        raise InputError(
            f"Pseudoatoms (--width) must be at least half a voxel of {density.source} wide, "
            f"{0.5 * density.voxel_size:.3g} A, not {width:g}."
        )
    if max_sites < 4:
        raise InputError(f"A model takes at least 4 pseudoatoms (max_sites), not {max_sites}.")


def _make_widths(n_voxels: int, max_sites: int) -> tuple[float, ...]:
    """Return the widths to try, voxels: none that `max_sites` Gaussians could not fill the molecule with."""
    least = (n_voxels / max_sites) ** (1 / 3) / TYPICAL_PACKING
    widest = max(1.0, n_voxels ** (1 / 3) / 4)
    steps = range(math.ceil(math.log(max(widest, 1.0)) / math.log(WIDENING)) + 1)
    return tuple(WIDENING**step for step in steps if WIDENING**step >= min(least, widest))


def _make_target(values: Float[np.ndarray, "z y x"], molecule: Bool[np.ndarray, "z y x"], *, width: float) -> _Target:
    """Cut the molecule's box out, blur what is positive there and keep every n-th voxel if the Gaussians are wide."""
    step = max(1, int(math.hypot(1, BLUR) * width / COARSEST_SAMPLING))
    margin = step * (get_margin(math.hypot(1, BLUR) * width / step) + 1)
    border = margin + math.ceil(width + 4 * BLUR * width)
    spans = ndimage.find_objects(molecule.astype(np.uint8))[0]
    near = ndimage.distance_transform_edt(~np.pad(molecule[spans], border)) <= width
    box = np.where(near, _cut(values, spans, border).clip(min=0), 0)
    blurred = ndimage.gaussian_filter(box.astype(np.float32), BLUR * width)
    corner = tuple(float(span.start - border) for span in spans)
    return _Target(torch.from_numpy(blurred[::step, ::step, ::step].copy()), corner, step)


def _cut(
    values: Float[np.ndarray, "z y x"], spans: tuple[slice, slice, slice], border: int
) -> Float[np.ndarray, "cut_z cut_y cut_x"]:
    """Return the box `spans` with `border` voxels around it, zero beyond the map."""
    wanted = [(span.start - border, span.stop + border) for span in spans]
    held = tuple(slice(max(0, low), min(side, high)) for (low, high), side in zip(wanted, values.shape, strict=True))
    missing = [(part.start - low, high - part.stop) for part, (low, high) in zip(held, wanted, strict=True)]
    return np.pad(values[held], missing)


def _pack(target: _Target, *, width: float, target_error: float, max_sites: int) -> Packing:
    return pack_gaussians(
        target.values,
        width=math.hypot(1, BLUR) * width / target.step,
        target_error=target_error,
        max_sites=max_sites,
        spacing=width / target.step,
    )


def _make_model(packing: Packing, target: _Target, *, width: float, density: DensityMap) -> GaussianModel:
    """Turn voxels z y x into A, x y z, about the centre of the box, and peaks into integrals."""
    in_map = packing.positions.double() * target.step + torch.tensor(target.corner, dtype=torch.float64)
    middle = torch.tensor([side // 2 for side in density.values.shape], dtype=torch.float64)
    fitted_width = math.hypot(1, BLUR) * width * density.voxel_size
    weights = packing.weights.double() * (2 * math.pi) ** 1.5 * fitted_width**3
    return GaussianModel(
        positions=((in_map - middle) * density.voxel_size).flip(-1),
        weights=weights,
        widths=torch.full_like(weights, width * density.voxel_size),
        center=density.origin.double() + middle.flip(-1) * density.voxel_size,
    )
