"""Options of `deephemnma landscape`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.landscape import LandscapeSettings


@dataclass(frozen=True)
class LandscapeStage:
    """Lay out the conformations in a space of few axes, and group them."""

    estimates: tuple[Path, ...]
    """One or more tables of estimates (estimates.parquet or a stage's folder); several go into one space."""
    landscape: LandscapeSettings = field(default_factory=LandscapeSettings)
