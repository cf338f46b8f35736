"""Is the pixel size right: how large the particle is in the images, in units of the reference."""

import math
from dataclasses import dataclass

import torch

from deephemnma.alignment.agreement import Difference, average
from deephemnma.alignment.assembly import FINE_TOLERANCE
from deephemnma.alignment.levenberg import fit
from deephemnma.alignment.magnification import ScaleScan, add_breathing, compute_reach, scan_scales
from deephemnma.alignment.objective import invert_fisher
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import compute_scales
from deephemnma.alignment.schedule import LONGEST_STEP
from deephemnma.alignment.state import State
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.pipeline.preflight.finding import Finding, Verdict
from deephemnma.pipeline.preflight.probe import COARSE, Probe

SCALES = torch.logspace(-1, 1, 13, base=2.0)
ORIENTATIONS = 600
IMAGES = 64
FINE_STEPS = 12
GROSS = 0.15
"""A scan that is this far off is believed before anything finer."""
NOTE, FIX = 0.03, 0.05
LIKELY, CERTAIN = 2.0, 4.0
"""Standard errors from which a wrong size is noted, and is to be fixed."""
TOO_ROUGH = 0.15
"""Of a size; two error bars beyond this tell nothing."""
MODEL_ERROR = 0.05
"""Of a size, in units of the resolution: a map at low resolution is so much off, however many the images."""
FEWEST = 8
"""Images that must have been aligned for a fine answer."""


@dataclass(frozen=True)
class Scale:
    """How large the particle is, in units of the reference.

    Attributes
    ----------
    coarse
        By the scan, or by the given poses.
    coarse_error
        Its error bar.
    fine
        By the fits of the images that were aligned; None where these are too few.
    """

    coarse: float
    coarse_error: float
    fine: Difference | None

    @property
    def best(self) -> float:
        """The finer of both."""
        return self.coarse if self.fine is None else self.fine.mean

    @property
    def error(self) -> float:
        """Error bar of the best."""
        return self.coarse_error if self.fine is None else self.fine.standard_error


def compute_scan_error(scan: ScaleScan) -> float:
    """Return the error bar of a scan's best size: how surely it is better than 1 says how far it is from it."""
    off = abs(math.log(scan.best))
    best, still = int(scan.gains.sum(0).argmax()), int(scan.scales.log().abs().argmin())
    if best == still:
        return float(scan.scales.log().diff().mean()) / 2
    gain = average(scan.gains[:, best] - scan.gains[:, still])
    return off / max(gain.z, 0.1)


def choose_start(scale: float, error: float) -> float:
    """Return the magnification at which to align first: what a rough measurement says beyond doubt, or none."""
    off = abs(scale - 1)
    return scale if off > GROSS or (off > FIX and off > CERTAIN * error) else 1.0


def scan(probe: Probe) -> tuple[ScaleScan, ScaleScan]:
    """Return the likelihood of reference sizes from half to double, for white and for black protein."""
    rigid = Probe(**{**vars(probe), "modes": probe.modes.select(())})
    projector = rigid.make_projector(COARSE * probe.gyration_radius)
    observations = probe.observe(projector, optics=probe.images.optics)
    some = torch.linspace(0, len(observations) - 1, min(IMAGES, len(observations))).round().long()
    observations = observations.select(some.to(probe.device))
    dark = Observations(observations.band, -observations.data, observations.transfer)
    options = {"reach": probe.reach, "scales": SCALES, "n_orientations": ORIENTATIONS}
    return tuple(
        scan_scales(seen, projector, shift_range=probe.shift_range, **options) for seen in (observations, dark)
    )


def measure_scale(
    observations: Observations, model: GaussianModel, modes: Modes, state: State, *, magnified: float
) -> Difference | None:
    """Return the magnification of the reference at which images fit best, their poses and amplitudes free.

    Parameters
    ----------
    observations
        Of images that were aligned.
    model, modes
        The reference that they were aligned with.
    state
        Where they were.
    magnified
        By how much `model` is larger than the user's.

    Returns
    -------
    scale
        Mean over the images, each weighted by its error bar and the scatter that is left; in units of the user's
        reference. None for too few images.
    """
    if len(state) < FEWEST:
        return None
    breathing = add_breathing(model, modes)
    projector = GaussianProjector(model, breathing, observations.band, tolerance=FINE_TOLERANCE)
    start = State(state.rotations, state.shifts, torch.nn.functional.pad(state.amplitudes, (0, 1)))
    unit = compute_scales(model).to_vector(breathing.n_modes).to(state.shifts)
    found = fit(
        observations,
        projector,
        start,
        step_scale=LONGEST_STEP * observations.band.resolution * unit,
        iterations=FINE_STEPS,
    )
    reach, column = compute_reach(model), modes.n_modes
    values = (1 + found.state.amplitudes[:, column].double() / reach).cpu()
    variance = invert_fisher(found.evaluation.curvature)[:, column, column].cpu() / reach**2
    return _average_robustly(values[variance.isfinite()], variance[variance.isfinite()], magnified=magnified)


def _average_robustly(values: torch.Tensor, variance: torch.Tensor, *, magnified: float) -> Difference | None:
    if len(values) < FEWEST:
        return None
    middle = values.median()
    scatter = (1.4826 * (values - middle).abs().median()).square()
    kept = (values - middle).abs() < 4 * (scatter + variance).sqrt()
    weight = 1 / (variance + (scatter - variance.median()).clamp_min(0))[kept]
    mean = float((weight * values[kept]).sum() / weight.sum())
    spread = float((weight.square() * (values[kept] - mean).square()).sum().sqrt() / weight.sum())
    return Difference(magnified * mean, magnified * spread)


def judge_scale(scale: Scale, *, pixel_size: float, resolution: float, gyration_radius: float) -> Finding:
    """Say whether the pixel size suits the reference; `resolution` (A) is that of the comparison."""
    best, right = scale.best, pixel_size / scale.best
    error = math.hypot(scale.error, MODEL_ERROR * resolution / gyration_radius)
    how = "" if scale.fine is not None else ", by a scan in steps of 12 %, for too few images were aligned well"
    sentence = (
        f"the particle is {best:.3f} ± {error:.3f} times as large as the reference at {pixel_size:.4g} A a pixel{how}"
    )
    figures = {
        "scale": best,
        "scale_error": error,
        "statistical_error": scale.error,
        "scan": scale.coarse,
        "pixel_size": pixel_size,
        "suggested": right,
    }
    off = abs(best - 1)
    if LIKELY * error > TOO_ROUGH and off < CERTAIN * error:
        return Finding("pixel size", Verdict.NOTE, f"{sentence}: too rough to tell whether it is right.", figures)
    if off < NOTE or off < LIKELY * error:
        return Finding("pixel size", Verdict.OK, f"{sentence} (1 expected).", figures)
    advice = (
        f"; 1 was expected: if the reference has the right scale, the pixel size is {right:.4g} A: correct it in the "
        "file of particles (for a map, its --voxel-size)"
    )
    if off < FIX or off < CERTAIN * error:
        return Finding("pixel size", Verdict.NOTE, f"{sentence}{advice}; a change of shape looks alike.", figures)
    return Finding("pixel size", Verdict.FIX, f"{sentence}{advice}.", figures)
