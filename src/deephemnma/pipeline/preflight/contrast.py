"""Is protein white: seen in the images alone, and by which sign of the reference explains them better."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.agreement import Difference, average
from deephemnma.alignment.magnification import ScaleScan
from deephemnma.pipeline.preflight.finding import Finding, Verdict

CERTAIN = 4.0
"""Standard errors from which a sign is believed."""


@dataclass(frozen=True)
class Profile:
    """Mean grey value around the centre, over all images.

    Attributes
    ----------
    radii
        A.
    values
        Of each image at these, less its rim, in standard deviations of the pixels.
    """

    radii: Float[Tensor, "rings"]
    values: Float[Tensor, "images rings"]

    def measure_middle(self, radius: float) -> Difference:
        """Return the mean within `radius` (A) of the centre above the rim, over the images."""
        inside = (self.radii <= max(radius, float(self.radii[0]))).double()
        weight = inside * (2 * self.radii.double()).clamp_min(float(self.radii[1]) / 2)
        return average((self.values.double() * weight).sum(1) / weight.sum())


def compute_profile(images: Float[Tensor, "images box box"], pixel_size: float) -> Profile:
    """Return the rotational mean of each image, less that of its outermost ring."""
    box = images.shape[-1]
    axis = torch.arange(box) - box // 2
    ring = torch.hypot(axis[:, None].double(), axis[None, :].double()).round().long()
    n_rings = (box - 1) // 2 + 1
    inside = ring < n_rings
    total = torch.zeros(len(images), n_rings, dtype=torch.float64).index_add_(
        1, ring[inside], images[:, inside].double()
    )
    values = total / torch.bincount(ring[inside])
    rim = max(1, n_rings // 10)
    return Profile(torch.arange(n_rings) * pixel_size, (values - values[:, -rim:].mean(1, keepdim=True)).float())


@dataclass(frozen=True)
class Sign:
    """What tells the sign of the contrast.

    Attributes
    ----------
    middle
        Grey value of the middle above the rim, in standard deviations of the pixels.
    likelihood
        Log likelihood an image of white protein above that of dark, each at its best pose and size.
    """

    middle: Difference
    likelihood: Difference

    @property
    def is_dark(self) -> bool:
        """Whether protein is dark beyond doubt: by the reference, or where that does not tell, by the middle."""
        if abs(self.likelihood.z) >= CERTAIN:
            return self.likelihood.mean < 0
        return self.middle.z < -CERTAIN

    @property
    def is_certain(self) -> bool:
        """Whether either tells."""
        return max(abs(self.likelihood.z), abs(self.middle.z)) >= CERTAIN


def compare_signs(profile: Profile, white: ScaleScan, dark: ScaleScan, *, radius: float) -> Sign:
    """Put together what the images and what the reference say; `radius` (A) is that of the middle."""
    best = (scan.gains[:, int(scan.gains.sum(0).argmax())] for scan in (white, dark))
    first, second = best
    return Sign(profile.measure_middle(radius), average(first - second))


def judge_contrast(sign: Sign) -> Finding:
    """Say which sign the contrast has."""
    middle, likelihood = sign.middle, sign.likelihood
    seen = (
        f"the middle of the images is {middle.mean:+.3f} ± {middle.standard_error:.3f} sd against their rim, and a "
        f"white reference explains an image by {likelihood.mean:+.2f} ± {likelihood.standard_error:.2f} log likelihood "
        "better than a black one"
    )
    figures = {
        "middle": middle.mean,
        "middle_error": middle.standard_error,
        "white_over_black": likelihood.mean,
        "white_over_black_error": likelihood.standard_error,
    }
    if sign.is_dark:
        advice = "protein is dark, white is wanted: invert with `deephemnma prepare --invert-contrast`"
        return Finding("contrast", Verdict.FIX, f"{advice}; {seen}.", figures)
    if not sign.is_certain:
        return Finding("contrast", Verdict.NOTE, f"whether protein is white cannot be told: {seen}.", figures)
    return Finding("contrast", Verdict.OK, f"protein is white, as wanted: {seen}.", figures)
