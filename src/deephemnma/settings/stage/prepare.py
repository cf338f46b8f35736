"""Options of `deephemnma prepare`."""

from dataclasses import dataclass
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.settings.check import LARGEST_BOX, check_between, check_positive


@dataclass(frozen=True)
class PrepareStage:
    """Phase-flip, crop and normalise particles."""

    particles: Path
    """Star file of the particles, or the folder that `deephemnma simulate` wrote."""
    datadir: Path | None = None
    """Folder that the image paths in the star file start from, if they do not resolve by themselves."""
    box_size: int | None = None
    """Fourier-crop the images to this box, pixels, 16-4096; the field of view stays."""
    pixel_size: float | None = None
    """Instead of --box-size: crop to the even box whose pixel size comes nearest to this, A, > 0."""
    phase_flip: bool = False
    """Multiply each image by the sign of its CTF. Not needed here: the CTF is modelled as it is."""
    normalize: bool = True
    """Make each image's background, outside --radius, mean 0 and standard deviation 1."""
    radius: float | None = None
    """Radius of the particle, A, > 0; by default 0.45 of the field of view, so that the corners are background."""

    def __post_init__(self) -> None:
        if self.box_size is not None and self.pixel_size is not None:
            raise InputError("Give either --box-size or --pixel-size, not both.")
        if self.box_size is not None:
            check_between("--box-size", self.box_size, 16, LARGEST_BOX)
        for option, value in (("--pixel-size", self.pixel_size), ("--radius", self.radius)):
            if value is not None:
                check_positive(option, value)
