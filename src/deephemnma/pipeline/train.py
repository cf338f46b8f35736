"""The stage `train`."""

from pathlib import Path
from typing import Any

from deephemnma.core.error import InputError
from deephemnma.core.estimates import CERTAIN, Estimates
from deephemnma.distributed.device import choose_device
from deephemnma.landscape.outlier import find_outliers
from deephemnma.network.training import train_network
from deephemnma.pipeline.formation import FORMATION_FILE, write_formation
from deephemnma.pipeline.particles import find_formation, load_estimates, load_particles, match_estimates
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.train import TrainStage

LEAST_IMAGES = 10


def run_train(settings: TrainStage, *, output: Path | str) -> Path:
    """Teach a network to see in an image what was estimated; a killed training goes on from its last checkpoint.

    Writes `network.ckpt` (all that prediction needs), `losses.csv` and a copy of the estimates' `image_formation.json`.

    Parameters
    ----------
    settings
        Images, estimates and training.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("train", settings, output=output, body=_train)


def _train(settings: TrainStage, stage: StageFolder) -> dict[str, Any]:
    reference = load_reference(settings.reference)
    particles = load_particles(settings.particles, datadir=settings.datadir)
    given = load_estimates(settings.estimates, mode_numbers=reference.modes.numbers)
    estimates = select_learnable(match_estimates(given, particles.names), threshold=settings.outlier_threshold)
    formation = find_formation(None, settings.estimates)
    if formation is not None:
        write_formation(stage.path / FORMATION_FILE, formation)
    training = settings.resolve_training()
    with track_progress("images shown to the network", 1) as advance:
        shown = 0.0

        def report(done: int, total: int) -> None:
            nonlocal shown
            advance(done / total - shown)
            if int(100 * done / total) > int(100 * shown):
                stage.save()  # so that a killed training has its cost counted
            shown = done / total

        train_network(
            reference.model,
            reference.modes,
            source=particles,
            output=stage.path,
            settings=training,
            estimates=estimates,
            formation=formation,
            seed=settings.seed,
            device=choose_device(settings.device),
            progress=report,
        )
    return {"images learned from": len(estimates), "left out": len(given) - len(estimates)}


def select_learnable(estimates: Estimates, *, threshold: float) -> Estimates:
    """Return the estimates that converged and whose amplitudes are no outliers (Mahalanobis distance <= `threshold`).

    Raises
    ------
    InputError
        If too few are left to learn from.
    """
    kept = estimates.select_status(*CERTAIN)
    if len(kept) >= LEAST_IMAGES:
        kept = kept.select((~find_outliers(kept.amplitudes, threshold=threshold)).nonzero()[:, 0])
    if len(kept) < LEAST_IMAGES:
        raise InputError(
            f"Only {len(kept)} of {len(estimates)} estimates converged and are no outliers; a network needs at least "
            f"{LEAST_IMAGES}: estimate more images, or look at why they fail (`status` in the table)."
        )
    return kept
