"""Options of the likelihood by which images are compared with projections."""

from dataclasses import dataclass
from typing import Literal

from deephemnma.settings.check import check_at_least, check_one_of, check_positive


@dataclass(frozen=True)
class LikelihoodSettings:
    """How an image is compared with a projection."""

    low_resolution: float = 0.0
    """Coarsest resolution used, A: slower waves (uneven ice, a poor model of the solvent) do not count; 0 uses all."""
    mask_radius: float = 0.0
    """Radius of a soft circular mask about the centre of the image, A: what lies beyond is replaced by noise of the
    measured power; 0 is no mask. It hides neighbours, but also what the CTF has spread beyond the radius."""
    fit_b_factor: bool = True
    """Measure the B-factor that all images share, and fade the projections by it."""
    prior_rmsd: tuple[float, ...] = ()
    """Standard deviation of a Gaussian prior about 0 on the amplitudes, A RMSD, above 0; one value, or one a mode. By
    default there is no prior. With it the estimates are drawn to the reference, and their error bars count it in."""
    error_bars: Literal["observed", "expected"] = "observed"
    """From the curvature of each image's own likelihood, or from that expected of images like it: faster by a
    fiftieth of a second an image, and a little too narrow at low signal."""

    def __post_init__(self) -> None:
        check_at_least("--low-resolution", self.low_resolution, 0)
        check_at_least("--mask-radius", self.mask_radius, 0)
        for value in self.prior_rmsd:
            check_positive("--prior-rmsd", value)
        check_one_of("--error-bars", self.error_bars, ("observed", "expected"))
