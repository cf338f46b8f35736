"""The box and pixel size that `prepare` brings all images to."""

from collections.abc import Sequence
from dataclasses import dataclass

from deephemnma.core.error import InputError
from deephemnma.io.particles import ParticleSet
from deephemnma.settings.stage.prepare import PrepareStage

SMALLEST_BOX = 16
FINER = 1e-4
"""Share by which a pixel may be finer than those of the images: header and star file do not say all digits."""
BEYOND = 0.5 + 1e-3
"""Pixels by which the new field of view may pass the old one: the outermost ones are cut by its edge."""


@dataclass(frozen=True)
class Grid:
    """Square images.

    Attributes
    ----------
    box_size, pixel_size
        Pixels, A.
    """

    box_size: int
    pixel_size: float

    @property
    def width(self) -> float:
        """Field of view, A."""
        return self.box_size * self.pixel_size

    def __str__(self) -> str:
        return f"{self.box_size} pixels of {self.pixel_size:.4g} A"


def get_grid(each: ParticleSet) -> Grid:
    """Return the grid of the images of a set."""
    return Grid(each.particles.box_size, each.particles.pixel_size)


def choose_grid(settings: PrepareStage, sets: Sequence[ParticleSet]) -> Grid:
    """Return the grid asked for; by default the coarsest pixels and the smallest field of view that are there.

    Raises
    ------
    InputError
        If a set's images do not reach so far, or are too coarse.
    """
    grids = [get_grid(each) for each in sets]
    width, coarsest = min(grid.width for grid in grids), max(grid.pixel_size for grid in grids)
    box_size, pixel_size = settings.box_size, settings.pixel_size
    if pixel_size is None:
        pixel_size = coarsest if box_size is None else width / box_size
    if box_size is None:
        known = [grid.box_size for grid in grids if grid.width == width and grid.pixel_size == pixel_size]
        box_size = known[0] if known else 2 * int(width / pixel_size / 2 + BEYOND / 2)
    target = Grid(box_size, pixel_size)
    for grid, each in zip(grids, sets, strict=True):
        _check(grid, target, count=len(each.rows))
    return target


def _check(grid: Grid, target: Grid, *, count: int) -> None:
    told = f"{target} were asked for, but {count:,} images are of {grid}"
    if target.pixel_size < grid.pixel_size * (1 - FINER):
        raise InputError(
            f"{told}: finer pixels would hold nothing new, and no noise, which misleads all that follows; give "
            f"--pixel-size {grid.pixel_size:.6g} or more, or a smaller --box-size."
        )
    if target.width > grid.width + BEYOND * target.pixel_size:
        raise InputError(
            f"{told}: a field of view of {target.width:.1f} A is more than their {grid.width:.1f} A; give a "
            f"--box-size of {2 * int(grid.width / target.pixel_size / 2 + BEYOND / 2)} or less."
        )
    if target.box_size < SMALLEST_BOX:
        raise InputError(f"{told}: that leaves fewer than {SMALLEST_BOX} pixels; give a smaller --pixel-size.")
