"""Options of `deephemnma check`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.check import check_at_least
from deephemnma.settings.supplement import SupplementOptions


@dataclass(frozen=True)
class CheckOptions:
    """Say what a file of particles holds, and where its images are; nothing is written."""

    particles: Path
    """Star file (RELION, cisTEM), .cs (cryoSPARC), .xmd (Xmipp, Scipion) or .par (FREALIGN), or the folder of a stage
    that wrote particles."""
    datadir: Path | None = None
    """Folder that the image paths in the file start from, if they do not resolve by themselves."""
    sample: int = 200
    """Images to look at, for what is wrong with them and whether protein is white, >= 0; spread over the file."""
    supplement: SupplementOptions = field(default_factory=SupplementOptions)

    def __post_init__(self) -> None:
        check_at_least("--sample", self.sample, 0)
