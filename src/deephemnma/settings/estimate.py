"""Options of the elastic and rigid alignment."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from deephemnma.settings.check import check_at_least, check_one_of
from deephemnma.settings.likelihood import LikelihoodSettings

EffortName = Literal["auto", "quick", "normal", "thorough"]


@dataclass(frozen=True)
class EstimateSettings:
    """How images are aligned from no prior knowledge."""

    amplitude_range: float = 5.0
    """Greatest displacement along each mode that the search tries, A RMSD, 0 or more."""
    amplitude_spacing: float = 0.0
    """Distance between the conformations that the search tries, A RMSD; 0 takes a quarter of the resolution of the
    search."""
    max_conformations: int = 200
    """Conformations in the search at the most; with many modes they are spread evenly instead of on a grid."""
    shift_range: float = 5.0
    """Greatest distance of a particle from the centre of its image that the search tries, A, 0 or more."""
    orientations: int = 2000
    """Orientations that the search tries; 2000 are about 10 degrees apart."""
    search_resolution: float = 0.0
    """Resolution of the search, A; 0 takes half the reference's radius of gyration."""
    resolution: float = 0.0
    """Finest resolution used, A; 0 goes up to Nyquist."""
    effort: EffortName = "auto"
    """How many states are tried: quick will do at SNR 0.1 and above, thorough takes some twenty times as long and
    finds more at SNR 0.01; auto goes by the contrast and the noise of the images."""
    starts: int = 0
    """Local refinements an image at the resolution of the search; 0 for as many as --effort says."""
    finalists: int = 0
    """Of these, how many are refined to the end; 0 for as many as --effort says."""
    iterations: int = 30
    """Steps of the last refinement at the most, 1 or more."""
    reject_below: float = -4.0
    """Images of a lower score are "rejected": their fit explains them worse than noise allows, by so many standard
    deviations."""
    batch_size: int = 64
    """Images aligned at once; a bound on memory."""
    pilot_images: int = 64
    """Images, spread over the set, on which contrast, noise and B-factor of the set are measured first, 1 or more."""
    likelihood: LikelihoodSettings = field(default_factory=LikelihoodSettings)

    def __post_init__(self) -> None:
        check_at_least("--amplitude-range", self.amplitude_range, 0)
        check_at_least("--amplitude-spacing", self.amplitude_spacing, 0)
        check_at_least("--shift-range", self.shift_range, 0)
        check_at_least("--search-resolution", self.search_resolution, 0)
        check_at_least("--resolution", self.resolution, 0)
        check_one_of("--effort", self.effort, get_args(EffortName))
        for name in ("max_conformations", "orientations", "iterations", "batch_size"):
            check_at_least(f"--{name.replace('_', '-')}", getattr(self, name), 1)
        check_at_least("--starts", self.starts, 0)
        check_at_least("--finalists", self.finalists, 0)
        check_at_least("--pilot-images", self.pilot_images, 1)
