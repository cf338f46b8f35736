"""Independent halves of a set of images, and the maps of both and of all."""

import hashlib
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.particle import ImageSource, Poses
from deephemnma.core.structure import DensityMap
from deephemnma.metrics.fsc import ShellCurve, compute_fsc
from deephemnma.reconstruction.back_projection import BackProjection, back_project
from deephemnma.reconstruction.inversion import compute_regularization, invert
from deephemnma.settings.reconstruct import ReconstructSettings


class HalfMaps(NamedTuple):
    """Maps of all images and of each half of them, with the correlation of the halves."""

    full: DensityMap
    first: DensityMap
    second: DensityMap
    curve: ShellCurve


def split_names(names: tuple[str, ...]) -> Bool[Tensor, "images"]:
    """Return which images belong to the second half: by a hash of the name, whatever the order and the other images."""
    parity = [hashlib.sha256(name.encode()).digest()[0] % 2 == 1 for name in names]
    return torch.tensor(parity, dtype=torch.bool)


def reconstruct_halves(
    source: ImageSource,
    poses: Poses,
    *,
    ids: Int[Tensor, "images"] | None = None,
    settings: ReconstructSettings | None = None,
    device: torch.device | str = "cpu",
) -> HalfMaps:
    """Return the maps of two fixed halves of the images and of all of them.

    The halves are hardly regularised; the map of all is regularised (Wiener) by the signal-to-noise ratio that the
    halves' Fourier shell correlation shows.

    Parameters
    ----------
    source
        Images, with their optics.
    poses
        One row for each of `ids`, in that order.
    ids
        Numbers of the images in `source`, all if None.
    settings
        Symmetry, padding and so on; as they come if None.
    device
        Where to compute.

    Raises
    ------
    InputError
        If the poses are not as many as the images, or a half has no image.
    """
    settings = settings or ReconstructSettings()
    ids = torch.arange(len(source)) if ids is None else ids.cpu()
    if len(poses) != len(ids):
        raise InputError(f"Each image needs one pose, but there are {len(ids)} images and {len(poses)} poses.")
    second = split_names(tuple(source.names[number] for number in ids.tolist()))
    if second.all() or not second.any():
        raise InputError(f"{len(ids)} images are too few for two half-maps: one half is empty.")
    halves = []
    for rows in ((~second).nonzero()[:, 0], second.nonzero()[:, 0]):
        halves.append(back_project(source, poses.select(rows), ids=ids[rows], settings=settings, device=device))
    return combine_halves(halves[0], halves[1], settings=settings)


def combine_halves(first: BackProjection, second: BackProjection, *, settings: ReconstructSettings) -> HalfMaps:
    """Return the maps of two back-projections and of both together."""
    maps = [
        invert(half, regularization=settings.weight_floor, source=f"half-map {number}")
        for number, half in enumerate((first, second), start=1)
    ]
    curve = compute_fsc(*maps)
    ratio = compute_regularization(curve, box_size=first.box_size, padding=first.padding).to(first.cells.device)
    return HalfMaps(invert(first + second, regularization=ratio, source="map"), *maps, curve)
