"""Options of `deephemnma observability`."""

from dataclasses import dataclass, field
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.settings.check import LARGEST_BOX, check_at_least, check_between, check_positive
from deephemnma.settings.defocus import parse_defocus_range
from deephemnma.settings.stage.reference import ReferenceOptions

BOX_SIZE, PIXEL_SIZE, SNR = 128, 0.65, 0.1


@dataclass(frozen=True)
class PlannedImages:
    """The images that are planned."""

    box_size: int | None = None
    """Side of the images, pixels, 16-4096; 128 if neither this nor --formation is given."""
    pixel_size: float | None = None
    """A, > 0; 0.65 if neither this nor --formation is given."""
    snr: float | None = None
    """Variance of the clean images after the CTF over the variance of all noise, > 0; 0.1 if neither this nor
    --formation is given."""
    formation: Path | None = None
    """image_formation.json of `deephemnma estimate` (or simulation.json): box, pixel size, contrast and noise of a data
    set instead of white noise. The contrast is that of the reference it was made with; with --snr the noise keeps its
    spectrum only."""
    noise_before_ctf: float = 0.5
    """Share of the noise variance that passes through the CTF, 0-1; the other share is white. Without --formation."""
    b_factor: float | None = None
    """Of the envelope exp(-B k^2 / 4) that the molecule's images pass, A^2, >= 0; 0 if neither this nor --formation is
    given."""
    defocus_um: str = "0.5-3"
    """Underfocus, um, 0-10: a range such as 0.5-3, or one value."""
    n_defoci: int = 5
    """Defoci looked at, spread evenly over the range, >= 1."""
    voltage_kv: float = 200.0
    """Acceleration voltage, kV, 10-2000."""
    cs_mm: float = 2.0
    """Spherical aberration, mm, >= 0."""
    amplitude_contrast: float = 0.1
    """Amplitude contrast, 0-1."""

    @property
    def defocus_range(self) -> tuple[float, float]:
        """Lowest and highest underfocus, um."""
        return parse_defocus_range(self.defocus_um)

    def __post_init__(self) -> None:
        if self.formation is not None and (self.box_size is not None or self.pixel_size is not None):
            raise InputError("--formation brings box and pixel size of its data set: leave these two out.")
        if self.box_size is not None:
            check_between("--box-size", self.box_size, 16, LARGEST_BOX)
        for option, value in (("--pixel-size", self.pixel_size), ("--snr", self.snr)):
            if value is not None:
                check_positive(option, value)
        self.defocus_range  # noqa: B018 - the check
        check_between("--noise-before-ctf", self.noise_before_ctf, 0, 1)
        if self.b_factor is not None:
            check_at_least("--b-factor", self.b_factor, 0)
        check_at_least("--n-defoci", self.n_defoci, 1)
        check_between("--voltage-kv", self.voltage_kv, 10, 2000)
        check_at_least("--cs-mm", self.cs_mm, 0)
        check_between("--amplitude-contrast", self.amplitude_contrast, 0, 1)


@dataclass(frozen=True)
class ObservabilityStage:
    """Tell which modes can be seen from which view, before there are any images."""

    reference: ReferenceOptions
    images: PlannedImages = field(default_factory=PlannedImages)
    target_rmsd: float = 1.0
    """A mode is seen in an image if the error bar of its amplitude is at most this, A RMSD, > 0."""
    views: int = 200
    """Views, spread evenly over half the sphere (the other half shows the same in the mirror), >= 10; 200 are about
    10 degrees apart."""
    displacement: float = 0.0
    """Look also at the molecule moved by plus and minus this along each mode, A RMSD, >= 0; 0 looks at the reference
    alone."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def __post_init__(self) -> None:
        check_positive("--target-rmsd", self.target_rmsd)
        check_at_least("--views", self.views, 10)
        check_at_least("--displacement", self.displacement, 0)
        if self.reference.mode_numbers == ():
            raise InputError('--modes "" leaves nothing to see: name the modes, such as 7-12.')
