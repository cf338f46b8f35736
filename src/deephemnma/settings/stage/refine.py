"""Options of `deephemnma refine`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.check import check_at_least
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings
from deephemnma.settings.stage.reference import ReferenceOptions


@dataclass(frozen=True)
class RefineOptions:
    """Where refinement starts, and how it goes on."""

    particles: Path
    """Star file of the particles, or the folder of a stage that wrote one."""
    estimates: Path
    """Where to start: estimates.parquet, the folder of a stage that wrote one, or another program's poses of these
    particles: a star file, or a .cs file of cryoSPARC."""
    reference: ReferenceOptions
    datadir: Path | None = None
    """Folder that the image paths in the star file start from, if they do not resolve by themselves."""
    formation: Path | None = None
    """image_formation.json of `deephemnma estimate`; by default the one beside --estimates, else measured anew."""
    refinement: RefineSettings = field(default_factory=RefineSettings)
    seed: int = 0
    """Seed of all that is drawn."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 0
    """Processes; 0 is one a core, or one alone on a GPU. The answer does not depend on it."""

    def __post_init__(self) -> None:
        check_at_least("--workers", self.workers, 0)


@dataclass(frozen=True)
class RefineStage(RefineOptions):
    """Finish predictions, estimates or other programs' poses."""

    search: EstimateSettings = field(default_factory=EstimateSettings)
    """The search from no prior knowledge, for images whose refined fit is rejected."""
