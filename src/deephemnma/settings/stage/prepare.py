"""Options of `deephemnma prepare`."""

from dataclasses import dataclass
from pathlib import Path

from deephemnma.settings.check import LARGEST_BOX, check_at_least, check_between, check_positive


@dataclass(frozen=True)
class PrepareStage:
    """Bring particles to one box and pixel size, recentre, phase-flip, normalise them, and measure their noise."""

    particles: Path
    """Star file (RELION, cisTEM), .cs (cryoSPARC) or .xmd (Xmipp, Scipion), or the folder of a stage that wrote
    particles. Optics groups may differ in box and pixel size."""
    datadir: Path | None = None
    """Folder that the image paths in the file start from, if they do not resolve by themselves."""
    pixel_size: float | None = None
    """Pixel size of the new images, A, > 0, not finer than that of any particle; by default the coarsest of the
    particles, or with --box-size alone what keeps the field of view."""
    box_size: int | None = None
    """Side of the new images, pixels, 16-4096; by default the greatest even number that fits into the smallest field of
    view of the particles, or what they have already. What a smaller field of view leaves out is cut off."""
    recenter: bool = False
    """Move each particle to the centre by its known shift (rlnOriginX/YAngst), by whole pixels of the stored image;
    what is left of the shift stays in the star file, and the move is written into deephemnmaRecenterX/YAngst."""
    phase_flip: bool = False
    """Multiply each image by the sign of its CTF. Not needed here: the CTF is modelled as it is."""
    invert_contrast: bool = False
    """Multiply each image by -1, for stored images whose protein is dark. Those of .cs files that say so are inverted
    without it."""
    ramp: bool = False
    """Subtract from each image the plane that fits its background, outside --radius, best."""
    normalize: bool = True
    """Make each image's background, outside --radius, mean 0 and standard deviation 1."""
    radius: float | None = None
    """Radius of the particle, A, > 0; by default 0.45 of the field of view, so that the corners are background. The
    noise is measured outside it as well."""
    float16: bool = False
    """Write half precision (MRC mode 12, half the size); RELION reads it from version 4 on."""
    workers: int = 0
    """Processes; 0 is one a core. The answer does not depend on it."""

    def __post_init__(self) -> None:
        if self.box_size is not None:
            check_between("--box-size", self.box_size, 16, LARGEST_BOX)
        for option, value in (("--pixel-size", self.pixel_size), ("--radius", self.radius)):
            if value is not None:
                check_positive(option, value)
        check_at_least("--workers", self.workers, 0)
