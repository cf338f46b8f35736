"""EM map -> pseudoatoms (Jonic & Sorzano 2016, IEEE J. Sel. Top. Signal Process. 10:161)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool
from scipy import ndimage

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import DensityMap
from deephemnma.reference.fitting_width import find_width, list_widths
from deephemnma.reference.packing import Packing, pack_gaussians
from deephemnma.reference.region import compute_range, find_molecule, find_molecule_automatically
from deephemnma.reference.splat import make_patches, splat
from deephemnma.reference.target import Approximation, Target, make_target

MAX_SITES = 20_000
LOOSEST_PACKING = 4.0  # widths between neighbours; fitted models have 2 to 3.5
HALF_PASS = math.sqrt(math.log(2) / 2) / math.pi  # standard deviation of the Gaussian blur that halves 1 A^-1


@dataclass(frozen=True)
class Pseudoatoms:
    """Gaussians of one width that stand for a map.

    Attributes
    ----------
    model
        Its `center` is the centre of voxel ``n // 2`` of the box, so that poses refer to the map's own centre. The
        weights are the integrals of the Gaussians in units of the map times A^3.
    approximation
        How well they do.
    """

    model: GaussianModel
    approximation: Approximation


def low_pass(density: DensityMap, resolution: float) -> DensityMap:
    """Blur a map by a Gaussian that halves the amplitude at `resolution` (A): it does not ring, as sharp edges do.

    Raises
    ------
    InputError
        If the map holds no detail as fine as that.
    """
    finest = 2 * density.voxel_size
    if resolution < finest:
        raise InputError(
            f"--low-pass {resolution:g} is finer than any detail of {density.source}, whose voxels of "
            f"{density.voxel_size:.4g} A end at {finest:.4g} A: give more than that, or leave it out."
        )
    blurred = ndimage.gaussian_filter(density.values.numpy(), HALF_PASS * resolution / density.voxel_size)
    return replace(density, values=torch.from_numpy(blurred))


def invert(density: DensityMap) -> DensityMap:
    """Make what is dark bright: density below the median, which is the background's where that takes half the box."""
    return replace(density, values=density.values.median() - density.values)


def mark_molecule(
    density: DensityMap, *, threshold: float | None = None, mask: DensityMap | None = None
) -> Bool[np.ndarray, "z y x"]:
    """Return which voxels are the molecule.

    They are what `mask` marks, or what is above `threshold` and not dust, or what Otsu's rule finds.

    Raises
    ------
    InputError
        If no voxel is, or the mask is not that of the map.
    """
    values = density.values.numpy()
    if mask is not None:
        return _check_molecule(_take_mask(mask, density), density, how=f"the mask {mask.source} (0.5 and above)")
    if threshold is None:
        return _check_molecule(find_molecule_automatically(values), density, how="Otsu's threshold")
    if not threshold > 0:
        raise InputError(f"The density of the molecule (--threshold) must be positive, not {threshold:g}.")
    return _check_molecule(find_molecule(values, threshold=threshold), density, how=f"--threshold {threshold:g}")


def make_pseudoatoms(
    density: DensityMap,
    *,
    target_error: float = 0.05,
    width: float | None = None,
    molecule: Bool[np.ndarray, "z y x"] | None = None,
    max_sites: int = MAX_SITES,
    advance: Callable[[float], None] | None = None,
) -> Pseudoatoms:
    """Represent a map by Gaussians of one width, so that it can be projected and has normal modes.

    Gaussians are added where the residual is greatest and all are moved and weighed by gradient descent, until the
    mean error (see :class:`~deephemnma.reference.target.Approximation`) is at most `target_error`.

    Parameters
    ----------
    target_error
        Above 0 and below 1.
    width
        Standard deviation of the Gaussians, A, at least 0.5 voxels. By default the greatest, in steps of sqrt(2) from
        0.5 voxels, with which the error can be reached.
    molecule
        Its voxels; by default as :func:`mark_molecule` finds them.
    max_sites
        Greatest number of Gaussians.
    advance
        Called with the error reached after each round.

    Raises
    ------
    InputError
        If there is no molecule, or the error is not reached: says which was, and what to change.
    """
    _check_options(density, target_error=target_error, width=width, max_sites=max_sites)
    molecule = mark_molecule(density) if molecule is None else molecule

    def make(width: float) -> Target:
        return make_target(density, molecule, width=width)

    if width is None:
        widths = list_widths(int(molecule.sum()))
        widths = widths[find_width(widths, make, target_error=target_error) :: -1]
        _check_size(int(molecule.sum()), density, width=widths[0], max_sites=max_sites)
    else:
        widths = (width / density.voxel_size,)
    for candidate in widths:
        target = make(candidate)
        packing = _pack(target, width=candidate, target_error=target_error, max_sites=max_sites, advance=advance)
        if packing.error <= target_error:
            return _describe(packing, target, width=candidate, density=density)
        if len(packing.weights) >= max_sites:
            break
    raise InputError(
        f"{len(packing.weights)} Gaussians of {candidate * density.voxel_size:.2f} A represent {density.source} with "
        f"an error of {packing.error:.3f} at best, not {target_error:g}: the map may be noisy or sharp to the last "
        "voxel; low-pass it, or low-pass it more (--low-pass), allow more Gaussians (--max-sites), or set "
        f"--target-error to {math.ceil(100 * packing.error) / 100 + 0.01:.2f}."
    )


def _take_mask(mask: DensityMap, density: DensityMap) -> Bool[np.ndarray, "z y x"]:
    if mask.values.shape != density.values.shape:
        raise InputError(
            f"The mask {mask.source} has {tuple(mask.values.shape)} voxels (z y x), the map {density.source} has "
            f"{tuple(density.values.shape)}: make it on the map's own grid."
        )
    return mask.values.numpy() >= 0.5


def _check_molecule(molecule: Bool[np.ndarray, "z y x"], density: DensityMap, *, how: str) -> Bool[np.ndarray, "z y x"]:
    inside = density.values.numpy()[molecule]
    if (inside > 0).any() and compute_range(inside) > 0:
        return molecule
    raise InputError(
        f"No positive voxel of {density.source} is the molecule by {how} (the map reaches "
        f"{float(density.values.max()):g}): the molecule must be bright; invert the map (--invert), or "
        "set --threshold or --mask."
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
        raise InputError(f"A model takes at least 4 pseudoatoms (--max-sites), not {max_sites}.")


def _check_size(n_voxels: int, density: DensityMap, *, width: float, max_sites: int) -> None:
    """Raise before hours are spent on a tomogram, or on noise that is taken for the molecule."""
    least = int(n_voxels / (LOOSEST_PACKING * width) ** 3)
    if least > max_sites:
        raise InputError(
            f"The molecule takes {n_voxels} of the {density.values.numel()} voxels of {density.source}, in which the "
            f"detail asks for Gaussians of {width * density.voxel_size:.3g} A, more than {least} of them, while "
            f"--max-sites is {max_sites}: if the map is noisy, low-pass it "
            f"(--low-pass {8 * density.voxel_size:.0f} or more); if the molecule is smaller, say so by --threshold or "
            "--mask; if it is dark, as in tomograms, --invert."
        )


def _pack(
    target: Target, *, width: float, target_error: float, max_sites: int, advance: Callable[[float], None] | None
) -> Packing:
    return pack_gaussians(
        target, width=width / target.step, target_error=target_error, max_sites=max_sites, advance=advance
    )


def _describe(packing: Packing, target: Target, *, width: float, density: DensityMap) -> Pseudoatoms:
    """Turn voxels z y x into A, x y z, about the centre of the box, and peaks into integrals."""
    in_map = packing.positions.double() * target.step + torch.tensor(target.corner, dtype=torch.float64)
    middle = torch.tensor([side // 2 for side in density.values.shape], dtype=torch.float64)
    width_a = width * density.voxel_size
    weights = packing.weights.double() * (2 * math.pi) ** 1.5 * width_a**3
    model = GaussianModel(
        positions=((in_map - middle) * density.voxel_size).flip(-1),
        weights=weights,
        widths=torch.full_like(weights, width_a),
        center=density.origin.double() + middle.flip(-1) * density.voxel_size,
    )
    shape = tuple(target.density.shape)
    patches = make_patches(packing.positions, width=width / target.step, shape=shape)
    return Pseudoatoms(model, target.compare(splat(patches, packing.weights, shape=shape)))
