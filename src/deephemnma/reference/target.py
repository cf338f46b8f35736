"""The density that Gaussians are fitted to, and how well they do."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from deephemnma.core.structure import DensityMap
from deephemnma.reference.region import compute_range
from deephemnma.reference.splat import get_margin

OUTSIDE = 0.3  # importance of what is not the molecule; the error is that of the molecule alone
BEYOND = 0.05  # importance of what lies beyond the box, of which nothing is known
AROUND = 2.0  # voxels about the molecule over which the correlation is taken


@dataclass(frozen=True)
class Target:
    """A density on a grid cut out of a map and thinned out, with a margin around it.

    Attributes
    ----------
    density
        What is fitted: the map's positive part in the molecule and up to one width around it, else zero.
    values
        The map as it is, zero beyond its box.
    importance
        Weight of each voxel's squared residual, 0-1.
    inside
        The molecule's positive voxels: those of which errors are taken.
    around
        The molecule and two voxels around it.
    density_range
        What the mean error is relative to.
    corner
        Place of voxel (0, 0, 0) in the map, voxels of the map, z y x.
    step
        Voxels of the map from one voxel of the grid to the next.
    """

    density: Float[Tensor, "z y x"]
    values: Float[Tensor, "z y x"]
    importance: Float[Tensor, "z y x"]
    inside: Bool[Tensor, "z y x"]
    around: Bool[Tensor, "z y x"]
    density_range: float
    corner: tuple[float, float, float]
    step: int

    def measure(self, residual: Float[Tensor, "z y x"]) -> float:
        """Return the mean error (see :class:`Approximation`) that goes with model - density."""
        return float(residual[self.inside].abs().mean()) / self.density_range

    def compare(self, model: Float[Tensor, "z y x"]) -> "Approximation":
        """Return how well `model` does."""
        residual = (model - self.density)[self.inside]
        pair = torch.stack((model[self.around], self.values[self.around])).double()
        return Approximation(
            mean_error=self.measure(model - self.density),
            relative_error=float(residual.norm() / self.density[self.inside].norm()),
            correlation=float(torch.corrcoef(pair)[0, 1]),
        )


@dataclass(frozen=True)
class Approximation:
    """How well a density stands for the molecule in a map; nothing is seen through a blur.

    Attributes
    ----------
    mean_error
        Mean absolute difference over the molecule's positive voxels, relative to the range of the density in the
        molecule (1st to 99th percentile): what Xmipp, and so HEMNMA, calls the approximation error.
    relative_error
        ``|model - map| / |map|`` (L2 norms) over the same voxels.
    correlation
        Pearson's, with the map as it is, over the molecule and two voxels around it.
    """

    mean_error: float
    relative_error: float
    correlation: float


def make_target(density: DensityMap, molecule: Bool[np.ndarray, "z y x"], *, width: float) -> Target:
    """Cut the molecule's box out, with room for Gaussians of `width` (voxels); if they are wide, thin the grid out."""
    values = density.values.numpy()
    step = max(1, int(width))  # a Gaussian sampled at its width is known everywhere
    border = step * (get_margin(width / step) + 1) + math.ceil(max(width, AROUND))
    spans = ndimage.find_objects(molecule.astype(np.uint8))[0]
    marked = _cut(molecule, spans, border)
    distances = ndimage.distance_transform_edt(~marked)[::step, ::step, ::step]
    marked = marked[::step, ::step, ::step]
    held = _cut(values, spans, border)[::step, ::step, ::step]
    known = _cut(np.ones(values.shape, dtype=bool), spans, border)[::step, ::step, ::step]
    return Target(
        density=_to_tensor(np.where(distances <= width, held.clip(min=0), 0)),
        values=_to_tensor(held),
        importance=_to_tensor(np.where(marked, 1, np.where(known, OUTSIDE, BEYOND)).astype(np.float32)),
        inside=_to_tensor(marked & (held > 0)),
        around=_to_tensor((distances <= AROUND) & known),
        density_range=compute_range(values[molecule]),
        corner=tuple(float(span.start - border) for span in spans),
        step=step,
    )


def crop_target(target: Target, side: int) -> Target:
    """Return the part of at most `side` voxels an axis that holds most of the molecule."""
    inside = target.inside.numpy()
    spans = []
    for axis in range(3):
        profile = inside.sum(axis=tuple(other for other in range(3) if other != axis))
        sums = np.convolve(profile, np.ones(min(side, len(profile))), mode="valid")
        start = int(sums.argmax())
        spans.append(slice(start, start + side))
    grids = ("density", "values", "importance", "inside", "around")
    return replace(target, **{name: getattr(target, name)[tuple(spans)] for name in grids})


def _cut(values: np.ndarray, spans: tuple[slice, slice, slice], border: int) -> np.ndarray:
    """Return the box `spans` with `border` voxels around it, zero beyond the map."""
    wanted = [(span.start - border, span.stop + border) for span in spans]
    held = tuple(slice(max(0, low), min(side, high)) for (low, high), side in zip(wanted, values.shape, strict=True))
    missing = [(part.start - low, high - part.stop) for part, (low, high) in zip(held, wanted, strict=True)]
    return np.pad(values[held], missing)


def _to_tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
