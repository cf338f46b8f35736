"""Options of `deephemnma fit`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.settings.animation import DeformationOptions
from deephemnma.settings.fit import FitSettings
from deephemnma.settings.stage.reference import ReferenceOptions


@dataclass(frozen=True)
class FitStage:
    """Fit a reference flexibly into a map: amplitudes of its modes, rotation and shift."""

    reference: ReferenceOptions
    map: Path
    """The map (.mrc, .map) of the state that is sought; its origin counts."""
    map_mask: Path | None = None
    """A map of the same box, 0-1: what of the map is the molecule. By default all of it."""
    fit: FitSettings = field(default_factory=FitSettings)
    deformation: DeformationOptions = field(default_factory=DeformationOptions)
