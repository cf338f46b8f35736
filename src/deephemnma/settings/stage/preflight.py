"""Options of `deephemnma preflight`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.check import check_at_least
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.stage.reference import ReferenceOptions


@dataclass(frozen=True)
class PreflightStage:
    """Look at a sample of the particles for what would spoil hours of work, and foretell what the work will take."""

    particles: Path
    """Star file of the particles, or the folder of a stage that wrote one. Poses that it has are tried as well."""
    reference: ReferenceOptions
    datadir: Path | None = None
    """Folder that the image paths in the star file start from, if they do not resolve by themselves."""
    estimates: Path | None = None
    """Poses to try instead of the particles' own: a star file, a .cs file of cryoSPARC, estimates.parquet, or the
    folder of a stage that wrote one."""
    sample: int = 128
    """Images that are aligned and compared, spread over the set, 8 or more. More images tell smaller mistakes and
    weaker signals, and take longer."""
    scanned_images: int = 5000
    """Images that are read to look for damaged and identical ones, spread over the set, 0 or more."""
    closest: float = 0.25
    """Particles of a micrograph whose centres are nearer than this share of the reference's diameter are the same one
    picked twice, 0 or more; 0 does not look."""
    search: EstimateSettings = field(default_factory=EstimateSettings)
    """As `deephemnma estimate` is to be run: what it will take is measured with these."""
    seed: int = 0
    """Seed of the sample and of random poses."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 0
    """Processes that the later stages will have; 0 is one a core, or one alone on a GPU."""

    def __post_init__(self) -> None:
        check_at_least("--sample", self.sample, 8)
        check_at_least("--scanned-images", self.scanned_images, 0)
        check_at_least("--closest", self.closest, 0)
        check_at_least("--workers", self.workers, 0)
