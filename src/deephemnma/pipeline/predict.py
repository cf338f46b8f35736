"""The stage `predict`."""

from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from deephemnma.core.estimates import Estimates
from deephemnma.distributed.device import choose_device, choose_workers
from deephemnma.io.table import write_estimates
from deephemnma.network.checkpoint import read_checkpoint
from deephemnma.network.prediction import predict_hypotheses
from deephemnma.network.training import NETWORK_NAME
from deephemnma.pipeline.blocks import EstimateIds, run_blocks
from deephemnma.pipeline.formation import FORMATION_FILE, read_formation, write_formation
from deephemnma.pipeline.particles import find_file, load_particles, write_results
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.predict import PredictStage

BLOCK = 1024
HYPOTHESES = "hypothesis_*.parquet"


def run_predict(settings: PredictStage, *, output: Path | str) -> Path:
    """Apply a trained network to particles.

    Writes `estimates.parquet` and `estimates.star` (the likeliest answer of each image), `hypothesis_2.parquet` ...
    (the next ones, which `refine` starts from too), and a copy of the training's `image_formation.json`.

    Parameters
    ----------
    settings
        Particles and network.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("predict", settings, output=output, body=_predict)


def _predict(settings: PredictStage, stage: StageFolder) -> dict[str, Any]:
    checkpoint = find_file(settings.checkpoint, NETWORK_NAME)
    particles = load_particles(settings.particles, datadir=settings.datadir)
    device = choose_device(settings.device)
    best, *others = run_blocks(
        stage,
        len(particles),
        block_size=BLOCK,
        prepare=partial(_prepare, settings, checkpoint),
        n_workers=choose_workers(settings.workers, device, n_blocks=-(-len(particles) // BLOCK)),
        label="predicted images",
    )
    for rank, estimates in enumerate(others, start=2):
        write_estimates(stage.path / HYPOTHESES.replace("*", str(rank)), estimates)
    formation = checkpoint.with_name(FORMATION_FILE)
    if formation.exists():
        write_formation(stage.path / FORMATION_FILE, read_formation(formation))
    counts = write_results(stage.path, best, particles)
    return {"images": len(best), "hypotheses an image": 1 + len(others), **counts}


def _prepare(settings: PredictStage, checkpoint: Path) -> EstimateIds:
    particles = load_particles(settings.particles, datadir=settings.datadir)
    network = read_checkpoint(checkpoint)
    device = choose_device(settings.device)

    def predict(ids: Tensor) -> tuple[Estimates, ...]:
        return predict_hypotheses(particles, network, ids=ids, settings=settings.prediction, device=device)

    return predict
