"""Options that say how a map becomes pseudoatoms."""

from dataclasses import dataclass
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_between, check_positive


@dataclass(frozen=True)
class PseudoatomOptions:
    """For a map: the Gaussians that stand for it."""

    target_error: float = 0.05
    """Error at which no more Gaussians are added, 0.001-0.99: mean absolute difference in the molecule relative to the
    range of its density, as in HEMNMA, where 5 % is 0.05."""
    max_sites: int = 20000
    """Greatest number of Gaussians, at least 4."""
    threshold: float | None = None
    """Density, after --invert and --low-pass, above which a voxel is the molecule's, > 0 (the level of a contour in
    ChimeraX); pieces of less than 5 % of the largest are left out. By default Otsu's threshold of the map blurred by 2
    voxels."""
    mask: Path | None = None
    """Map of the same grid that is 0.5 or more where the molecule is, instead of a threshold."""
    low_pass: float | None = None
    """Resolution, A, > 0, to which the map is low-passed first (amplitude halved there, by a Gaussian); none by
    default. Noisy and sharpened maps need fewer Gaussians for it."""
    invert: bool = False
    """Take what is darker than the median of the map for the molecule, as in tomograms."""
    voxel_size: float | None = None
    """Size of a voxel of the map, A, > 0; by default what the file says."""

    def __post_init__(self) -> None:
        check_between("--target-error", self.target_error, 0.001, 0.99)
        check_at_least("--max-sites", self.max_sites, 4)
        for name in ("threshold", "low_pass", "voxel_size"):
            if getattr(self, name) is not None:
                check_positive("--" + name.replace("_", "-"), getattr(self, name))
        if self.threshold is not None and self.mask is not None:
            raise InputError("Both --threshold and --mask say where the molecule is: give one of them.")
