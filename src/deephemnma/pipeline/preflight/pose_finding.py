"""What is said of given poses: their convention, their frame, and whether they belong to the reference at all."""

from deephemnma.alignment.pose_convention import MIRRORED
from deephemnma.pipeline.preflight.finding import Finding, Verdict, choose_verdict
from deephemnma.pipeline.preflight.pose import BETTER, PoseTrial, Reading, compare

ANGLE_NOTE_DEG, ANGLE_FIX_DEG = 6.0, 10.0
MOVE_NOTE, MOVE_FIX = 2.0, 4.0
"""A."""
MOVE_SHARE = 0.05
"""Of the radius of gyration: larger molecules are seen less finely."""
CORRECTED_FILE = "corrected.star"
REMEDIES = {
    "negated": "change the sign of both origins",
    "none": "leave the origin columns out: the images are centred already",
    "in pixels": "the origins are in pixels: call their columns rlnOriginX and rlnOriginY",
    "in A": "the origins are in A: call their columns rlnOriginXAngst and rlnOriginYAngst",
    "transposed": "the rotations are the inverse of RELION's",
    MIRRORED: "the poses belong to the other hand: mirror the map that they came from, and refine again",
}


def judge_convention(trial: PoseTrial) -> Finding:
    """Say whether the poses explain the images as they are, or by which other reading they would."""
    chosen, random = trial.chosen, compare(trial.chosen, trial.random)
    figures = {
        "chosen": chosen.convention.describe(),
        "log_likelihood_per_image": {
            **{each.describe(): _tell(reading) for each, reading in trial.conventions.items() if each.is_single},
            **{f"best frame, {name}": _tell(reading) for name, reading in trial.registered.items()},
            "random orientations": _tell(trial.random),
        },
    }
    if not trial.is_credible:
        sentence = (
            f"no reading of the poses explains {trial.n_images} images beyond doubt better than random "
            f"orientations (the best by {random.mean:.2f} ± {random.standard_error:.2f} log likelihood an image): they "
            "do not belong to this reference or to these particles, or so few weak images do not show it: check "
            "that the file is the right one, or estimate without poses."
        )
        return Finding("poses", Verdict.FIX, sentence, figures)
    gain = f"{chosen.mean:.1f} log likelihood an image, random orientations {trial.random.mean:.1f}"
    if chosen.convention.is_given:
        return Finding("poses", Verdict.OK, f"in the convention wanted: {gain}; {_tell_hand(trial)}.", figures)
    better = compare(chosen, trial.given)
    convention = chosen.convention
    remedies = [
        text for key, text in REMEDIES.items() if convention.shift == key or convention.rotation.startswith(key)
    ]
    sentence = (
        f"not as given: {convention.describe()} explains an image by {better.mean:.1f} ± {better.standard_error:.1f} "
        f"log likelihood better ({gain}): {'; '.join(remedies)}. {CORRECTED_FILE} beside this file has them put right."
    )
    return Finding("poses", Verdict.FIX, sentence, figures)


def _tell_hand(trial: PoseTrial) -> str:
    """Return by how much the mirrored reference is worse, at its best."""
    mirrored = [
        reading
        for reading in (*trial.conventions.values(), *trial.registered.values())
        if reading.convention.rotation.startswith(MIRRORED)
    ]
    difference = compare(trial.chosen, max(mirrored, key=lambda each: each.mean))
    shown = f"{difference.mean:.1f} ± {difference.standard_error:.1f}"
    if difference.z < BETTER:
        return f"the hand cannot be told (the mirrored reference is worse by {shown})"
    return f"the mirrored reference is worse by {shown}"


def judge_frame(trial: PoseTrial, *, gyration_radius: float) -> Finding | None:
    """Say how far the reference lies from where the poses have it; None where no frame was found."""
    chosen = trial.chosen
    if not trial.is_credible or chosen.frame is None or chosen.registration is None:
        return None
    angle, distance, found = chosen.frame.angle_deg, chosen.frame.distance, chosen.registration
    fix = max(MOVE_FIX, MOVE_SHARE * gyration_radius, trial.pixel_size / 2)
    verdict = max(
        choose_verdict(angle, note=ANGLE_NOTE_DEG, fix=ANGLE_FIX_DEG),
        choose_verdict(distance, note=fix * MOVE_NOTE / MOVE_FIX, fix=fix),
        key=list(Verdict).index,
    )
    sentence = (
        f"the reference fits the images best when turned by {angle:.1f} ± {found.sd_angle_deg:.1f} degrees and moved "
        f"by {distance:.1f} ± {found.sd_offset:.1f} A (below {ANGLE_FIX_DEG:g} degrees and {fix:.0f} A expected)"
    )
    advice = {
        Verdict.OK: ".",
        Verdict.NOTE: ": a change of shape looks alike; `refine` copes.",
        Verdict.FIX: (
            f": it lies in another frame than the map that the poses came from. {CORRECTED_FILE} beside this file has "
            "the poses for the reference as it is; or dock the reference into that map, or `estimate` without poses."
        ),
    }
    figures = {
        "angle_deg": angle,
        "distance_angstrom": distance,
        "rotation": chosen.frame.rotation.tolist(),
        "offset_angstrom": chosen.frame.offset.tolist(),
        "scale": chosen.frame.scale,
        "scale_error": found.sd_scale,
    }
    return Finding("frame of the poses", verdict, sentence + advice[verdict], figures)


def wants_correction(findings: list[Finding], trial: PoseTrial) -> bool:
    """Whether poses that suit the reference are worth writing."""
    wrong = {finding.name for finding in findings if finding.verdict is Verdict.FIX}
    return trial.is_credible and bool(wrong & {"poses", "frame of the poses"})


def _tell(reading: Reading) -> list[float]:
    mean = reading.gains.double()
    return [float(mean.mean()), float(mean.std() / len(mean) ** 0.5)]
