"""Maps of the two classes of the 50S subunit, rebuilt by true and by found poses and classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from line import Line, make_row
from line_50s import CLASSES, RESOLUTION, SET, VOXEL, Images50S
from torch import Tensor

import deephemnma as dh
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.landscape import Landscape
from deephemnma.core.particle import Poses
from deephemnma.io.density import read_map
from deephemnma.io.landscape import write_landscape
from deephemnma.io.table import write_estimates
from deephemnma.pipeline.landscape import LANDSCAPE_FILE
from deephemnma.pipeline.particles import ESTIMATES_FILE
from deephemnma.pipeline.reconstruct import GROUPS_FILE

RADIUS = 150.0
"""Within which maps are compared, A."""
FEWEST = 2
"""Images of a map."""


@dataclass(frozen=True)
class Sorting:
    """One way to poses and classes.

    Attributes
    ----------
    method
        In words.
    estimates
        Poses of all images.
    is_e
        The class given to each image.
    """

    method: str
    estimates: Estimates
    is_e: np.ndarray


def run(line: Line, images: Images50S) -> tuple[list[dict[str, object]], dict[str, np.ndarray]]:
    """Rebuild both classes in every way; return rows, and the maps by name for a picture."""
    line = line.go_into("50s")
    true = [read_true_map(line.data, name) for name in CLASSES]
    maps = dict(zip(("true D", "true E"), (each.numpy() for each in true), strict=True))
    rows = []
    for number, sorting in enumerate(sort_images(images)):
        folder = line.folder / f"maps_{number}"
        if min(np.bincount(sorting.is_e, minlength=2)) < FEWEST:
            continue  # in a small trial a class may have no images
        found = rebuild(line, images, sorting, folder)
        rows += compare_maps(sorting, found, true, images)
        for name, resolution in zip(CLASSES, read_resolutions(folder), strict=True):
            rows.append(make_row(SET, sorting.method, f"half maps of {name} alike (FSC 0.143) to (A)", resolution))
        maps |= {f"{number} {name}": each.numpy() for name, each in zip(CLASSES, found, strict=True)}
    return rows, maps


def sort_images(images: Images50S) -> list[Sorting]:
    """Return the ways: the limit; true classes; what a user gets; the same without a choice by an image's own noise.

    An image whose noise happens to look like class E is more often called E, which by itself makes the map of these
    look like E. So the last way calls an image by the others of its tilt series, and poses it in the map of D always.
    """
    in_d, in_e = images.found["rigid D"], images.found["rigid E"]
    ratio = pd.Series(images.compute_ratio("rigid"))
    own = ratio.to_numpy() > 0
    series = ratio.groupby(images.particles)
    others = ((series.transform("sum") - ratio) / (series.transform("size") - 1).clip(lower=1)).to_numpy() > 0
    is_own = torch.from_numpy(own)
    poses = Poses(
        torch.where(is_own[:, None, None], in_e.poses.rotations, in_d.poses.rotations),
        torch.where(is_own[:, None], in_e.poses.shifts, in_d.poses.shifts),
    )
    return [
        Sorting("maps, true poses and classes", images.found["true D"], images.is_e),
        Sorting("maps, poses found in D, true classes", in_d, images.is_e),
        Sorting("maps, poses and classes of the likelier reference", _give(images, poses), own),
        Sorting("maps, poses found in D, classes by the other tilts", in_d, others),
    ]


def _give(images: Images50S, poses: Poses) -> Estimates:
    none = torch.zeros(len(poses), 0, dtype=torch.float64)
    names = images.source.names
    return make_estimates(names=names, poses=poses, amplitudes=none, mode_numbers=(), status=Status.GIVEN)


def rebuild(line: Line, images: Images50S, sorting: Sorting, folder: Path) -> list[Tensor]:
    """Run the stage `reconstruct`, a group a class; return both maps."""
    folder.mkdir(parents=True, exist_ok=True)
    names = images.source.names
    modes = (7,)
    still = torch.zeros(len(names), 1, dtype=torch.float64)
    groups = torch.from_numpy(sorting.is_e.astype(np.int64))
    space = {"mean": torch.zeros(1), "axes": torch.ones(1, 1), "explained": torch.ones(1)}
    space = {name: value.double() for name, value in space.items()}
    write_landscape(folder / LANDSCAPE_FILE, Landscape(names, still, groups, mode_numbers=modes, **space))
    given = make_estimates(
        names=names, poses=sorting.estimates.poses, amplitudes=still, mode_numbers=modes, status=Status.GIVEN
    )
    write_estimates(folder / ESTIMATES_FILE, given)
    stage = dh.ReconstructStage(
        images.folder,
        folder / ESTIMATES_FILE,
        folder / LANDSCAPE_FILE,
        dh.ReferenceOptions(images.references["D"], modes="7"),
        reconstruction=dh.ReconstructSettings(min_images=FEWEST),
        workers=line.workers,
    )
    output = dh.run_reconstruct(stage, output=folder / "rebuilt")
    return [low_pass(read_map(output / f"group_{number}/map.mrc").values) for number in (1, 2)]


def read_resolutions(folder: Path) -> list[float]:
    """Return to what resolution, A, the half maps of each class agree."""
    return pd.read_csv(folder / "rebuilt" / GROUPS_FILE)["resolution_halves_0.143"].tolist()


def read_true_map(data: Path, name: str) -> Tensor:
    """Return the map that the images of a class were made from, low-passed as the others."""
    path = data / "particles" / "tomodrgn_50S" / f"10076_class{name}_32.mrc"
    return low_pass(read_map(path, voxel_size=VOXEL).values)


def low_pass(values: Tensor) -> Tensor:
    """Return a map without the waves finer than the resolution of the search."""
    axis = torch.fft.fftfreq(len(values), VOXEL)
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    return torch.fft.ifftn(torch.fft.fftn(values) * (radius <= 1 / RESOLUTION)).real


def correlate(first: Tensor, second: Tensor) -> float:
    """Return the correlation of two maps near the centre."""
    axis = (torch.arange(len(first)) - len(first) // 2) * VOXEL
    inside = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0) <= RADIUS
    return float(torch.corrcoef(torch.stack((first[inside], second[inside])))[0, 1])


def compare_maps(
    sorting: Sorting, found: list[Tensor], true: list[Tensor], images: Images50S
) -> list[dict[str, object]]:
    """Return the correlation of each map with both true ones, and that of the differences."""
    wrong = float((sorting.is_e != images.is_e).mean())
    rows = []
    for number, name in enumerate(CLASSES):
        known = {"images": int((sorting.is_e == bool(number)).sum()), "failed": wrong}
        for other, map_name in enumerate(CLASSES):
            value = correlate(found[number], true[other])
            rows.append(make_row(SET, sorting.method, f"correlation of {name} with true {map_name}", value, **known))
    scaled = [each / each.std() for each in found]
    difference = correlate(scaled[1] - scaled[0], true[1] / true[1].std() - true[0] / true[0].std())
    rows.append(make_row(SET, sorting.method, "correlation of the differences E - D", difference, failed=wrong))
    return rows
