"""Options of `deephemnma fsc`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FscStage:
    """Compare two maps by their Fourier shell correlation."""

    first: Path
    """A map (.mrc)."""
    second: Path
    """Another, of the same box and voxel size."""
