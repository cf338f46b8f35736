"""The stage `estimate`."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from deephemnma.alignment.aligner import align_with_alternatives
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.pilot import measure_formation
from deephemnma.core.estimates import Estimates
from deephemnma.distributed.device import choose_device
from deephemnma.pipeline.blocks import EstimateIds, choose_block_size, run_blocks
from deephemnma.pipeline.formation import FORMATION_FILE, find_noise, read_formation, write_formation
from deephemnma.pipeline.likelihood import check_likelihood, summarize_likelihood
from deephemnma.pipeline.memory import plan_alignment
from deephemnma.pipeline.particles import load_particles, write_results
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.estimate import EstimateStage


def run_estimate(settings: EstimateStage, *, output: Path | str) -> Path:
    """Find conformation, orientation and shift of every image from no prior knowledge.

    Writes `estimates.parquet`, `estimates.star`, `alternatives.parquet` (other minima of ambiguous images, which are
    about as likely) and `image_formation.json` (the contrast and noise measured).

    Parameters
    ----------
    settings
        Particles, molecule and search.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("estimate", settings, output=output, body=_estimate)


def _estimate(settings: EstimateStage, stage: StageFolder) -> dict[str, Any]:
    reference = load_reference(settings.reference)
    particles = load_particles(settings.particles, datadir=settings.datadir)
    device = choose_device(settings.device)
    check_likelihood(settings.search, reference=reference, particles=particles, device=device)
    block_size = choose_block_size(settings.search.batch_size, device)
    plan = plan_alignment(
        reference, particles, search=settings.search, workers=settings.workers, block_size=block_size, device=device
    )
    settings = replace(settings, search=replace(settings.search, batch_size=plan.batch_size))
    formation = stage.path / FORMATION_FILE
    if not formation.exists():
        with track_progress("contrast and noise", 1) as advance:
            measured = measure_formation(
                reference.model,
                reference.modes,
                particles,
                settings=settings.search,
                noise=find_noise(settings.particles, particles),
                device=device,
            )
            write_formation(formation, measured)
            advance(1)
    estimates, alternatives = run_blocks(
        stage,
        len(particles),
        block_size=block_size,
        prepare=partial(_prepare, settings, reference, formation),
        n_workers=plan.n_workers,
        label="estimated images",
    )
    return {
        "images": len(estimates),
        **write_results(stage.path, estimates, particles, alternatives=alternatives),
        **summarize_likelihood(
            estimates, reference=reference, likelihood=settings.search.likelihood, formation=formation
        ),
    }


def _prepare(settings: EstimateStage, reference: Reference, formation: Path) -> EstimateIds:
    particles = load_particles(settings.particles, datadir=settings.datadir)
    aligner = make_search_aligner(
        reference.model,
        reference.modes,
        particles,
        settings=settings.search,
        formation=read_formation(formation),
        device=choose_device(settings.device),
    )

    def estimate(ids: Tensor) -> tuple[Estimates, ...]:
        return align_with_alternatives(aligner, particles, ids)

    return estimate
