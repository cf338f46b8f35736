"""Options that say what the file of particles does not."""

from dataclasses import dataclass
from pathlib import Path

from deephemnma.settings.check import check_between, check_positive


@dataclass(frozen=True)
class SupplementOptions:
    """What parameter files (.par, cisTEM), old star files and Xmipp's metadata do not say of their images."""

    stack: Path | None = None
    """Stack of all images, for FREALIGN and cisTEM."""
    class_parameters: tuple[Path, ...] = ()
    """Parameter files (.par) of the further classes; each particle gets the class of highest occupancy."""
    passthrough: tuple[Path, ...] = ()
    """Passthrough files (.cs) of cryoSPARC; by default those beside the particles that are named like their job."""
    pixel_size: float | None = None
    """Pixel size, A, > 0; overrides the file's."""
    voltage_kv: float | None = None
    """Acceleration voltage, kV, > 0."""
    cs_mm: float | None = None
    """Spherical aberration, mm, 0-100."""
    amplitude_contrast: float | None = None
    """Amplitude contrast, 0-1."""

    def __post_init__(self) -> None:
        for option, value in (("--pixel-size", self.pixel_size), ("--voltage-kv", self.voltage_kv)):
            if value is not None:
                check_positive(option, value)
        for option, value, high in (("--cs-mm", self.cs_mm, 100), ("--amplitude-contrast", self.amplitude_contrast, 1)):
            if value is not None:
                check_between(option, value, 0, high)
