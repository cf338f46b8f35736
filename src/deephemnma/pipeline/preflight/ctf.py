"""Whether the images obey the CTF that the file states, or another."""

import math
from dataclasses import replace

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.alignment.agreement import Difference, average, multiply
from deephemnma.alignment.bank import make_bank, make_shift_grid
from deephemnma.alignment.exhaustive_search import SPACING
from deephemnma.alignment.observation import Observations, make_observations
from deephemnma.alignment.score_bank import score_bank
from deephemnma.core.particle import Optics
from deephemnma.imaging.band import Band
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.pipeline.preflight.finding import Finding, Verdict
from deephemnma.pipeline.preflight.probe import COARSE, Probe

STATED, NONE = "as the file says", "no CTF"
BETTER, WORTH = 4.0, 0.02
"""Standard errors, and share of the gain, by which another CTF has to explain the images better."""
DEFOCI_UM = (0.4, 0.7, 1.0, 1.3, 1.6, 2.0, 2.4, 2.8, 3.3, 4.0)
"""Tried on images without a CTF, at 300 kV."""
ORIENTATIONS = 600
ANGSTROM_PER_UM = 1e4
REMEDIES = {
    "phase-flipped": "the images are phase-flipped, but the file says not: set rlnCtfDataArePhaseFlipped to 1",
    "not phase-flipped": "the images are not phase-flipped as the file says: set rlnCtfDataArePhaseFlipped to 0",
    "no phase shift": "the phase shift of the file (rlnPhaseShift) does not suit the images: correct it",
    NONE: "the images have no CTF, or another than the file's: check defocus and voltage, and what was corrected",
    "a CTF": "the images have a CTF that the file does not tell: add the columns of the defocus",
}


def try_ctfs(
    probe: Probe, band: Band, projections: Complex[Tensor, "images components"]
) -> dict[str, Float[Tensor, "images"]]:
    """Return the log likelihood of each image by every CTF that it might have, at the state that was found for it.

    Fine, but the states were found with the CTF that is stated, and speak for it. Empty where none is stated.
    """
    images = probe.images[torch.arange(len(probe.images))]
    plain = make_observations(images, band, optics=None, noise=probe.noise)
    if probe.images.optics is None:
        return {}
    ways = {name: multiply(_filter(plain, optics), projections) for name, optics in _list_ways(probe).items()}
    gains = {name: agreement.compute_gains() for name, agreement in ways.items()}
    return gains | {NONE: multiply(plain, projections).compute_gains()}


def _list_ways(probe: Probe) -> dict[str, Optics]:
    """Return the stated CTF first, and others that it may be instead."""
    stated = probe.images.optics
    ways = {STATED: stated, "phase-flipped": replace(stated, phase_flipped=True)}
    if stated.phase_flipped:
        ways = {STATED: stated, "not phase-flipped": replace(stated, phase_flipped=False)}
    if stated.phase_shift.any():
        ways["no phase shift"] = replace(stated, phase_shift=torch.zeros_like(stated.phase_shift))
    return ways


def _filter(plain: Observations, optics: Optics) -> Observations:
    """Return what is expected of images that have passed a CTF."""
    ctf = compute_ctf(optics.to(plain.band.rows.device), plain.band.frequencies)
    return replace(plain, transfer=plain.transfer * ctf)


def search_ctfs(probe: Probe) -> dict[str, Float[Tensor, "images"]]:
    """Return the same with each image at its best orientation and shift by each CTF, of few at low resolution.

    So no CTF is favoured. Where none is stated, the best of some defoci is tried instead, less what a choice of so many
    gains by chance.
    """
    projector = probe.make_projector(COARSE * probe.gyration_radius)
    plain = probe.observe(projector, optics=None)
    bank = make_bank(projector, n_orientations=ORIENTATIONS, conformations=torch.zeros(1, probe.modes.n_modes + 1))
    shifts = make_shift_grid(probe.shift_range, SPACING * projector.band.resolution)

    def score(seen: Observations) -> Float[Tensor, "images"]:
        return score_bank(seen, bank, shifts, kept=1).gains[:, 0].double().cpu()

    if probe.images.optics is not None:
        gains = {name: score(_filter(plain, optics)) for name, optics in _list_ways(probe).items()}
        return gains | {NONE: score(plain)}
    one = torch.ones(len(plain), dtype=torch.float64)
    by_defocus = []
    for um in DEFOCI_UM:
        defocus = um * ANGSTROM_PER_UM * one
        optics = Optics(300 * one, 2.7 * one, 0.1 * one, defocus, defocus, 0 * one, 0 * one)
        by_defocus.append(score(_filter(plain, optics)))
    best = torch.stack(by_defocus).max(0).values - math.log(len(DEFOCI_UM))
    return {STATED: score(plain), "a CTF": best}


def judge_ctf(*trials: dict[str, Float[Tensor, "images"]]) -> Finding:
    """Say whether by any of the trials another CTF than that of the file explains the images better."""
    rivals = [_find_rival(gains) for gains in trials if gains]
    name, best, wins = max(rivals, key=lambda rival: (rival[2], -rival[1].z if not rival[2] else rival[1].z))
    figures = {f"{other} over stated": [best.mean, best.standard_error] for other, best, _ in rivals}
    by = f"{abs(best.mean):.2f} ± {best.standard_error:.2f} log likelihood an image"
    if not wins:
        return Finding("CTF in the images", Verdict.OK, _tell_agreement(name, best, by), figures)
    return Finding("CTF in the images", Verdict.FIX, f"{REMEDIES[name]} (better by {by}).", figures)


def _find_rival(gains: dict[str, Float[Tensor, "images"]]) -> tuple[str, Difference, bool]:
    """Return the best CTF but the stated one, by how much it is better, and whether that is beyond doubt."""
    stated = gains[STATED]
    others = {name: average(value - stated) for name, value in gains.items() if name != STATED}
    name, best = max(others.items(), key=lambda each: each[1].mean)
    wins = best.z > BETTER and best.mean > WORTH * abs(float(stated.mean()) + best.mean)
    return name, best, wins


def _tell_agreement(name: str, best: Difference, by: str) -> str:
    if best.z < -BETTER:
        return f"as the file says; the next best, {name}, is worse by {by}."
    difference = f"{best.mean:+.2f} ± {best.standard_error:.2f} log likelihood an image"
    return f"no other than the file's explains the images better; {name} cannot be told from it ({difference})."
