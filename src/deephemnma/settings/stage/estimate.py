"""Options of `deephemnma estimate`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.check import check_at_least
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.stage.reference import ReferenceOptions


@dataclass(frozen=True)
class EstimateStage:
    """Find conformation, orientation and shift of every image from no prior knowledge."""

    particles: Path
    """Star file of the particles, or the folder of a stage that wrote one."""
    reference: ReferenceOptions
    datadir: Path | None = None
    """Folder that the image paths in the star file start from, if they do not resolve by themselves."""
    search: EstimateSettings = field(default_factory=EstimateSettings)
    seed: int = 0
    """Kept in the manifest; the search itself draws nothing at random."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 0
    """Processes; 0 is one a core, or one alone on a GPU. The answer does not depend on it."""

    def __post_init__(self) -> None:
        check_at_least("--workers", self.workers, 0)
