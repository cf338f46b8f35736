"""Options of `deephemnma reconstruct`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.animation import DeformationOptions
from deephemnma.settings.check import check_at_least
from deephemnma.settings.reconstruct import ReconstructSettings
from deephemnma.settings.stage.reference import ReferenceOptions


@dataclass(frozen=True)
class ReconstructStage:
    """Rebuild a map, half-maps and their FSC for each group of images."""

    particles: Path
    """Star file of the particles, or the folder of a stage that wrote one."""
    estimates: Path
    """Their poses: estimates.parquet, or the folder of a stage that wrote one."""
    landscape: Path
    """Their groups: landscape.parquet, or the folder that `deephemnma landscape` wrote."""
    reference: ReferenceOptions
    datadir: Path | None = None
    """Folder that the image paths in the star file start from, if they do not resolve by themselves."""
    reconstruction: ReconstructSettings = field(default_factory=ReconstructSettings)
    deformation: DeformationOptions = field(default_factory=DeformationOptions)
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 0
    """Processes; 0 is one a core, or one alone on a GPU."""

    def __post_init__(self) -> None:
        check_at_least("--workers", self.workers, 0)
