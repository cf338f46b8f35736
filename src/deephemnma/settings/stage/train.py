"""Options of `deephemnma train`."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from deephemnma.settings.check import check_one_of, check_positive
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.train import TRAIN_PRESETS, TrainSettings


@dataclass(frozen=True)
class TrainStage:
    """Teach a network to see in an image what was estimated."""

    particles: Path
    """Star file of the particles that were estimated, or the folder of a stage that wrote one."""
    estimates: Path
    """estimates.parquet, or the folder that `deephemnma estimate` (or refine) wrote."""
    reference: ReferenceOptions
    datadir: Path | None = None
    """Folder that the image paths in the star file start from, if they do not resolve by themselves."""
    outlier_threshold: float = 3.2
    """Estimates whose amplitudes lie further than this Mahalanobis distance from the mean are not learned from, > 0."""
    preset: Literal["default", "paper"] = "default"
    """Where the options below start: "paper" is Hamitouche & Jonic 2022. Options set to other than their defaults
    count over the preset."""
    training: TrainSettings = field(default_factory=TrainSettings)
    seed: int = 0
    """Seed of all that is drawn."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def __post_init__(self) -> None:
        check_positive("--outlier-threshold", self.outlier_threshold)
        check_one_of("--preset", self.preset, TRAIN_PRESETS)
        self.resolve_training()

    def resolve_training(self) -> TrainSettings:
        """Return the preset with the options that were set."""
        unset = TrainSettings()
        names = [field.name for field in fields(TrainSettings)]
        chosen = {name: getattr(self.training, name) for name in names}
        changed = {name: value for name, value in chosen.items() if value != getattr(unset, name)}
        return replace(TRAIN_PRESETS[self.preset], **changed)
