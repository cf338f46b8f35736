"""What comes of the sample when it is aligned: statuses, contrast, signal-to-noise ratio."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from deephemnma.alignment.agreement import Agreement, multiply, sum_shells
from deephemnma.alignment.aligner import Aligner, align_images, observe
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.effort import STRONG, compute_signal
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.pilot import measure_formation
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.alignment.state import State
from deephemnma.core.estimates import FAILED, Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_rotation_grid
from deephemnma.imaging.band import Band
from deephemnma.imaging.ctf import compute_ctf, compute_envelope
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.pipeline.preflight.finding import Finding, Verdict, choose_verdict
from deephemnma.pipeline.preflight.probe import Probe
from deephemnma.pipeline.progress import track_progress
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings

PILOTS = 32
ORIENTATIONS, CONFORMATIONS, TEMPLATES = 1200, 60, 256
"""Of the search at the most: it only has to tell junk from particles. Templates: to measure the signal on."""
JUNK_NOTE, JUNK_FIX = 0.15, 0.5
FAINT_SNR = 0.005
GOOD = (Status.CONVERGED, Status.AMBIGUOUS, Status.OUT_OF_RANGE, Status.NOT_CONVERGED)
"""Images in which something was found."""
PLAIN = (Status.CONVERGED, Status.OUT_OF_RANGE, Status.NOT_CONVERGED)
"""Images in which one thing was found."""


@dataclass(frozen=True)
class Alignment:
    """The sample, aligned.

    Attributes
    ----------
    estimates
        Of each image of the probe.
    formation
        Contrast, noise and B-factor, of the cropped images.
    observations
        The images as the likelihood sees them.
    state
        Where the estimates lie.
    projections
        Of the estimates, on the band of the observations, before any CTF.
    correlation
        Of all images in which something was found with the reference, in each shell of the band.
    snr
        Variance of the signal over that of the noise, both over the whole (uncropped) image.
    from_poses
        Whether the search began at given poses.
    """

    estimates: Estimates
    formation: ImageFormation
    observations: Observations
    state: State
    projections: Complex[Tensor, "images components"]
    correlation: Float[Tensor, "shells"]
    snr: float
    from_poses: bool

    @property
    def good(self) -> Bool[Tensor, "images"]:
        """In which images something was found."""
        return self._find(GOOD)

    @property
    def plain(self) -> Bool[Tensor, "images"]:
        """In which images one thing was found."""
        return self._find(PLAIN)

    def _find(self, wanted: tuple[Status, ...]) -> Bool[Tensor, "images"]:
        return torch.tensor([status in wanted for status in self.estimates.status], dtype=torch.bool)


def align_sample(probe: Probe, *, search: EstimateSettings, poses: Poses | None, seed: int) -> Alignment:
    """Align the probe's images: around `poses` if there are any, from no prior knowledge otherwise."""
    images = probe.images
    settings = replace(
        search,
        resolution=0.0,
        orientations=min(search.orientations, ORIENTATIONS),
        max_conformations=min(search.max_conformations, CONFORMATIONS),
        likelihood=replace(search.likelihood, error_bars="expected"),
    )
    with track_progress("sample aligned", len(images) + min(PILOTS, len(images))) as advance:
        aligner = _make_searcher(probe, settings)
        measured = {"settings": replace(settings, pilot_images=PILOTS), "aligner": aligner, "device": probe.device}
        formation = measure_formation(probe.model, probe.modes, images, **measured)
        advance(min(PILOTS, len(images)))
        aligner = replace(aligner, formation=formation)
        if poses is not None:
            aligner = _make_local(probe, poses, formation=formation, settings=settings, seed=seed)
        elif settings.effort == "auto" and _is_weak(probe, aligner):
            aligner = replace(_make_searcher(probe, replace(settings, effort="normal")), formation=formation)
        estimates = align_images(aligner, images, torch.arange(len(images)))
        advance(len(images))
    return _describe(probe, aligner, estimates, formation, from_poses=poses is not None)


def _make_searcher(probe: Probe, settings: EstimateSettings) -> Aligner:
    """Return the aligner of a quick search, unless `settings` name another effort."""
    effort = "quick" if settings.effort == "auto" else settings.effort
    return make_search_aligner(
        probe.model,
        probe.modes,
        probe.images,
        settings=replace(settings, effort=effort),
        formation=ImageFormation(contrast=0.0, noise=probe.noise),
        device=probe.device,
    )


def _is_weak(probe: Probe, aligner: Aligner) -> bool:
    """Whether the images ask for more than a quick search."""
    rotations = make_rotation_grid(TEMPLATES).to(probe.device, torch.float32)
    none = (
        torch.zeros(TEMPLATES, 2, device=probe.device),
        torch.zeros(TEMPLATES, probe.modes.n_modes, device=probe.device),
    )
    templates = aligner.judge.project(rotations, *none)
    options = {"formation": aligner.formation, "likelihood": aligner.likelihood}
    signal = compute_signal(templates, aligner.judge.band, probe.images, **options)
    return signal is None or signal < STRONG


def _make_local(
    probe: Probe, poses: Poses, *, formation: ImageFormation, settings: EstimateSettings, seed: int
) -> Aligner:
    names = probe.images.names
    none = torch.zeros(len(names), 0, dtype=torch.float64)
    initial = make_estimates(names=names, poses=poses, amplitudes=none, mode_numbers=(), status=Status.GIVEN)
    return make_refinement_aligner(
        probe.model,
        probe.modes,
        probe.images,
        initial=initial,
        settings=settings,
        refinement=RefineSettings(),
        formation=formation,
        seed=seed,
        device=probe.device,
    )


def _describe(
    probe: Probe, aligner: Aligner, estimates: Estimates, formation: ImageFormation, *, from_poses: bool
) -> Alignment:
    observations, _ = observe(aligner, probe.images, torch.arange(len(probe.images)))
    parts = (estimates.poses.rotations, estimates.poses.shifts, estimates.amplitudes)
    state = State(*(part.to(probe.device, torch.float32) for part in parts))
    value = aligner.levels[-1].projector.project(state.rotations, state.shifts, state.amplitudes)
    agreement = multiply(observations, value)
    good = torch.tensor([status in GOOD for status in estimates.status], dtype=torch.bool)
    power = sum_shells(observations, observations.data.abs().square())
    found = Agreement(agreement.inner[good], agreement.energy[good])
    return Alignment(
        estimates,
        formation,
        observations,
        state,
        value,
        found.compute_correlation(power[good]),
        _compute_snr(probe, observations.band, value, estimates=estimates, formation=formation, good=good),
        from_poses,
    )


def _compute_snr(
    probe: Probe,
    band: Band,
    value: Complex[Tensor, "images components"],
    *,
    estimates: Estimates,
    formation: ImageFormation,
    good: Bool[Tensor, "images"],
) -> float:
    """Return the variance of the fitted projections over the rest; the images are in units of their whole variance."""
    optics = probe.images.optics
    seen = value * compute_envelope(band.frequencies, formation.b_factor)
    seen = seen if optics is None else seen * compute_ctf(optics.to(band.rows.device), band.frequencies)
    contrasts = estimates.contrasts
    strength = (contrasts.values.square() - contrasts.standard_deviations.square()).clamp_min(0)
    signal = 2 * seen.abs().square().sum(1).double().cpu() / probe.images.box_size**2 * strength
    share = float(signal[good].mean()) if good.any() else 0.0
    return share / max(1 - share, 1e-6)


def judge_statuses(found: Alignment) -> Finding:
    """Say which share of the sample the alignment takes for junk, and how strong the signal is."""
    estimates = found.estimates
    count = len(estimates)
    failed = sum(status in FAILED for status in estimates.status)
    share = failed / count
    contrasts = estimates.contrasts
    z = float((contrasts.values / contrasts.standard_deviations).median())
    counts = {str(each): estimates.status.count(each) for each in Status if each in estimates.status}
    verdict = choose_verdict(share, note=JUNK_NOTE, fix=JUNK_FIX)
    start = "given poses" if found.from_poses else "no prior knowledge"
    shown = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
    sentence = (
        f"of {count} images aligned from {start}, {share:.0%} show nothing like the reference (junk, rejected; below "
        f"{JUNK_NOTE:.0%} expected): {shown}; median contrast {z:.1f} standard deviations"
    )
    advice = {
        Verdict.OK: ".",
        Verdict.NOTE: ". `estimate` calls such images `junk` and goes on with the rest; selecting saves time.",
        Verdict.FIX: ". Check the reference, the pixel size and the CTF, or select particles (2D classes) first.",
    }
    figures = {"counts": counts, "share_junk": share, "median_contrast_z": z, "from_poses": found.from_poses}
    return Finding("junk", verdict, sentence + advice[verdict], figures)


def judge_signal(found: Alignment) -> Finding:
    """Say how strong the signal is."""
    verdict = Verdict.NOTE if found.snr < FAINT_SNR else Verdict.OK
    told = "the search will miss many poses; start from given ones if you can" if verdict is Verdict.NOTE else ""
    resolution = found.observations.band.resolution
    sentence = f"SNR about {found.snr:.2g} over the whole image (signal to {resolution:.2g} A)"
    if found.formation.b_factor:
        sentence += f", B-factor {found.formation.b_factor:.0f} A^2"
    figures = {"snr": found.snr, "b_factor": found.formation.b_factor, "resolution": resolution}
    return Finding("signal", verdict, f"{sentence}{': ' if told else ''}{told}.", figures)
