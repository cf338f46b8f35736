"""Options of `deephemnma animate`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deephemnma.core.error import InputError
from deephemnma.settings.animation import MovieOptions
from deephemnma.settings.check import check_at_least, check_between, check_one_of, check_positive
from deephemnma.settings.stage.reference import ReferenceOptions


@dataclass(frozen=True)
class AnimateStage:
    """Move the reference along a path through a landscape: models, and a script that plays them in ChimeraX."""

    reference: ReferenceOptions
    landscape: Path
    """landscape.parquet, or the folder that `deephemnma landscape` wrote."""
    path: Literal["axis", "groups"] = "axis"
    """A straight line along one axis through the mean, or from group to group."""
    axis: int = 1
    """Principal axis to follow, from 1."""
    n_frames: int = 20
    """Models in the file, >= 2."""
    low: float = 0.05
    """Where the line starts: share of the images below it along the axis, 0-1."""
    high: float = 0.95
    """Where the line ends: share of the images below it along the axis, 0-1."""
    path_rmsd: float | None = None
    """Instead of --low and --high: how far the line goes to either side of the mean, A of RMSD, > 0."""
    movie: MovieOptions = field(default_factory=MovieOptions)

    def __post_init__(self) -> None:
        check_one_of("--path", self.path, ("axis", "groups"))
        check_at_least("--axis", self.axis, 1)
        check_at_least("--n-frames", self.n_frames, 2)
        check_between("--low", self.low, 0, 1)
        check_between("--high", self.high, 0, 1)
        if not self.low < self.high:
            raise InputError(f"--low must lie below --high, but {self.low} and {self.high} were given.")
        if self.path_rmsd is not None:
            check_positive("--path-rmsd", self.path_rmsd)
            if self.path == "groups":
                raise InputError("--path-rmsd is the length of a line along an axis: leave it out of --path groups.")
