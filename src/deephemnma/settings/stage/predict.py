"""Options of `deephemnma predict`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.check import check_at_least
from deephemnma.settings.predict import PredictSettings


@dataclass(frozen=True)
class PredictStage:
    """Apply a trained network to particles."""

    particles: Path
    """Star file of the particles, or the folder of a stage that wrote one."""
    checkpoint: Path
    """The network: network.ckpt, or the folder that `deephemnma train` wrote."""
    datadir: Path | None = None
    """Folder that the image paths in the star file start from, if they do not resolve by themselves."""
    prediction: PredictSettings = field(default_factory=PredictSettings)
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 0
    """Processes; 0 is one a core, or one alone on a GPU. The answer does not depend on it."""

    def __post_init__(self) -> None:
        check_at_least("--workers", self.workers, 0)
