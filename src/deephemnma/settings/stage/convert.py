"""Options of `deephemnma convert`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_one_of
from deephemnma.settings.supplement import SupplementOptions

FORMATS = ("star", "cs", "xmd")


@dataclass(frozen=True)
class ConvertStage:
    """Bring particles, with what was found of them or a selection of them, into the form of another program."""

    particles: Path
    """Star file (RELION, cisTEM), .cs (cryoSPARC), .xmd (Xmipp, Scipion) or .par (FREALIGN), or the folder of a stage
    that wrote particles. All its columns are kept."""
    estimates: Path | None = None
    """Poses, amplitudes and status to write: estimates.parquet or the folder of `estimate`, `predict` or `refine`; also
    those of images that `prepare` made of these. Particles without an estimate are left out."""
    status: str = "all"
    """Particles to keep by their status: `all`, `usable` (converged, predicted or given), or names divided by commas
    (`converged,ambiguous`)."""
    landscape: Path | None = None
    """Keep the particles of this landscape: landscape.parquet or the folder of `landscape`."""
    groups: tuple[int, ...] = ()
    """Of the landscape, keep these groups alone, counted from 1."""
    format: str = "star"
    """What to write, divided by commas: star (RELION 3.1 to 5), cs (cryoSPARC), xmd (Xmipp, Scipion)."""
    datadir: Path | None = None
    """Folder that the image paths in the file start from, if they do not resolve by themselves."""
    supplement: SupplementOptions = field(default_factory=SupplementOptions)

    def __post_init__(self) -> None:
        for each in self.formats:
            check_one_of("--format", each, FORMATS)
        if self.groups and self.landscape is None:
            raise InputError("--groups names groups of a landscape: give --landscape as well.")
        if self.status != "all" and self.estimates is None:
            raise InputError("--status selects by what was found: give --estimates as well.")
        if self.groups and min(self.groups) < 1:
            raise InputError(f"--groups counts groups from 1, but {min(self.groups)} was given.")

    @property
    def formats(self) -> tuple[str, ...]:
        """What to write."""
        return tuple(dict.fromkeys(each.strip() for each in self.format.split(",")))
