"""Options of `deephemnma simulate`."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from deephemnma.core.error import InputError
from deephemnma.settings.check import LARGEST_BOX, check_at_least, check_between, check_positive
from deephemnma.settings.stage.reference import ReferenceOptions

Distribution = Literal["helix", "grid", "uniform", "normal", "clusters", "models"]

PAPER_SCALE, PAPER_SITES = 200.0, 1656
"""Radius of the helix of Hamitouche & Jonic 2022, A, and the atoms of adenylate kinase that it moves."""


@dataclass(frozen=True)
class ConformationOptions:
    """Where the simulated molecules lie in the space of the modes."""

    distribution: Distribution = "helix"
    """helix: q = a (-r, sin(pi r), cos(pi r)), r uniform in 0-1, along the first three modes (Hamitouche & Jonic 2022,
    Eq. 1), while others stay at 0; grid: the nodes of a regular grid, in turn; uniform: a box; normal: independent
    normal amplitudes; clusters: normal clouds about evenly drawn centres; models: the frames of --models."""
    amplitude_scale: float | None = None
    """Size of the motion, A (of mode amplitude, not of RMSD): radius of the helix, half the side of the box or grid,
    standard deviation of normal; > 0. By default 4.9 A RMSD, as the paper's 200 are for 1,656 atoms."""
    grid_points: int = 5
    """Nodes along each mode for grid, >= 2."""
    n_clusters: int = 3
    """Number of clusters, >= 1."""
    cluster_width: float | None = None
    """Standard deviation of a cluster along each mode, A, > 0; by default a tenth of --amplitude-scale."""
    models: Path | None = None
    """Multi-model PDB or mmCIF (a trajectory) with the atoms of the reference, for --distribution models."""

    def __post_init__(self) -> None:
        for option in ("amplitude_scale", "cluster_width"):
            if getattr(self, option) is not None:
                check_positive(f"--{option.replace('_', '-')}", getattr(self, option))
        check_at_least("--grid-points", self.grid_points, 2)
        check_at_least("--n-clusters", self.n_clusters, 1)

    def resolve(self, *, n_sites: int) -> "ConformationOptions":
        """Return the options with sizes that suit so many sites in place of those left open."""
        scale = PAPER_SCALE * (n_sites / PAPER_SITES) ** 0.5 if self.amplitude_scale is None else self.amplitude_scale
        width = scale / 10 if self.cluster_width is None else self.cluster_width
        return replace(self, amplitude_scale=scale, cluster_width=width)


@dataclass(frozen=True)
class ImageOptions:
    """The simulated microscope."""

    box_size: int = 128
    """Side of the images, pixels, 16-4096."""
    pixel_size: float = 0.65
    """A, > 0."""
    snr: float = 0.1
    """Variance of the clean images after the CTF over the variance of all noise, > 0."""
    oversampling: int = 1
    """Make the images on a grid so many times finer, at which --snr holds, and Fourier-crop them to --box-size, >= 1;
    2 is the paper's way (256 pixels to 128)."""
    noise_before_ctf: float = 0.5
    """Share of the noise variance that passes through the CTF (as structural noise does), 0-1."""
    noise_resolution: float = 0.0
    """Coloured noise: what its power has above the floor falls to half at this resolution, A, > 0, as a Lorentzian of
    the frequency; 0 is white noise."""
    noise_floor: float = 0.1
    """Share of coloured noise's power at zero frequency that is left at the highest, 0-1."""
    contrast_spread: float = 0.0
    """Half the range over which the contrast of the images is spread evenly, share of its mean (at which --snr holds),
    0-0.99."""
    b_factor: float = 0.0
    """Of the envelope exp(-B k^2 / 4) that the molecule's images pass, and structural noise does not, A^2, >= 0."""
    defocus_um: float = 0.5
    """Mean underfocus, um, 0-10."""
    defocus_spread_um: float = 0.0
    """Half the range over which the defocus of the images is spread evenly, um, >= 0."""
    astigmatism_um: float = 0.0
    """Greatest difference between the defoci U and V of an image, um, >= 0: each image has an even draw from 0 up to
    it, along a random axis."""
    voltage_kv: float = 200.0
    """Acceleration voltage, kV, 10-2000."""
    cs_mm: float = 2.0
    """Spherical aberration, mm, >= 0."""
    amplitude_contrast: float = 0.1
    """Amplitude contrast, 0-1."""
    shift_range: float = 1.625
    """Shifts along x and y are uniform in plus or minus this, A, >= 0."""

    @property
    def detector(self) -> "ImageOptions":
        """The grid on which the images are made, before any Fourier cropping."""
        return replace(
            self,
            box_size=self.box_size * self.oversampling,
            pixel_size=self.pixel_size / self.oversampling,
            oversampling=1,
        )

    def __post_init__(self) -> None:
        check_between("--box-size", self.box_size, 16, LARGEST_BOX)
        check_positive("--pixel-size", self.pixel_size)
        check_positive("--snr", self.snr)
        check_at_least("--oversampling", self.oversampling, 1)
        check_between("--noise-before-ctf", self.noise_before_ctf, 0, 1)
        for name in ("noise_resolution", "b_factor", "defocus_spread_um", "astigmatism_um"):
            check_at_least(f"--{name.replace('_', '-')}", getattr(self, name), 0)
        check_between("--noise-floor", self.noise_floor, 0, 1)
        check_between("--contrast-spread", self.contrast_spread, 0, 0.99)
        check_between("--defocus-um", self.defocus_um, 0, 10)
        check_between("--voltage-kv", self.voltage_kv, 10, 2000)
        check_at_least("--cs-mm", self.cs_mm, 0)
        check_between("--amplitude-contrast", self.amplitude_contrast, 0, 1)
        check_at_least("--shift-range", self.shift_range, 0)


@dataclass(frozen=True)
class SimulateStage:
    """Simulate particles of known conformation and pose."""

    reference: ReferenceOptions
    count: int = 256
    """Number of images, >= 1."""
    conformation: ConformationOptions = field(default_factory=ConformationOptions)
    image: ImageOptions = field(default_factory=ImageOptions)
    seed: int = 0
    """Seed; every image draws from its own (seed, number)."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def __post_init__(self) -> None:
        check_at_least("--count", self.count, 1)
        if self.conformation.distribution == "models" and self.conformation.models is None:
            raise InputError("--distribution models takes its frames from --models: name a multi-model PDB or mmCIF.")
        if self.conformation.distribution != "models" and self.conformation.models is not None:
            raise InputError(
                "--models gives the frames of --distribution models: name this too, or leave --models out."
            )
