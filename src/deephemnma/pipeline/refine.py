"""The stage `refine`."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.aligner import Aligner, align_with_alternatives
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.pilot import measure_formation
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.core.estimates import FAILED, Estimates, concatenate_estimates
from deephemnma.distributed.device import choose_device
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.file_kind import find_suffix
from deephemnma.io.particles import ParticleStack
from deephemnma.io.table import read_estimates, select_modes, write_estimates
from deephemnma.pipeline.blocks import EstimateIds, choose_block_size, run_blocks
from deephemnma.pipeline.formation import FORMATION_FILE, find_noise, read_formation, write_formation
from deephemnma.pipeline.likelihood import check_likelihood, summarize_likelihood
from deephemnma.pipeline.memory import plan_alignment
from deephemnma.pipeline.particles import (
    find_formation,
    load_estimates,
    load_particles,
    match_estimates,
    write_results,
)
from deephemnma.pipeline.predict import HYPOTHESES
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.refine import RefineStage

LOCAL_FILE = "local.parquet"


def run_refine(settings: RefineStage, *, output: Path | str) -> Path:
    """Finish predictions, estimates or other programs' poses.

    With the local strategy, images whose refined fit is rejected go through the search from no prior knowledge
    (``fall_back``); the better of both answers is kept. Writes `estimates.parquet`, `estimates.star`,
    `alternatives.parquet` (other minima of ambiguous images) and `image_formation.json`; with a fall-back also
    `local.parquet`, what local refinement alone gave.

    Parameters
    ----------
    settings
        Particles, what to start from, and refinement.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("refine", settings, output=output, body=_refine)


def _refine(settings: RefineStage, stage: StageFolder) -> dict[str, Any]:
    reference = load_reference(settings.reference)
    particles = load_particles(settings.particles, datadir=settings.datadir)
    device = choose_device(settings.device)
    check_likelihood(settings.search, reference=reference, particles=particles, device=device)
    _load_given(settings, reference, particles)  # so that a wrong file is told before contrast and noise are measured
    block_size = choose_block_size(settings.search.batch_size, device)
    plan = plan_alignment(
        reference, particles, search=settings.search, workers=settings.workers, block_size=block_size, device=device
    )
    settings = replace(settings, search=replace(settings.search, batch_size=plan.batch_size))
    formation = stage.path / FORMATION_FILE
    if not formation.exists():
        known = find_formation(settings.formation, settings.estimates)
        write_formation(formation, known or _measure(settings, reference, device))
    estimates, alternatives, *local = run_blocks(
        stage,
        len(particles),
        block_size=block_size,
        prepare=partial(_prepare, settings, reference, formation),
        n_workers=plan.n_workers,
        label="refined images",
    )
    summary = {"images": len(estimates), **write_results(stage.path, estimates, particles, alternatives=alternatives)}
    for refined in local:
        write_estimates(stage.path / LOCAL_FILE, refined)
        sent = sum(status in FAILED for status in refined.status)
        summary |= {"sent to the search": sent, "share sent to the search": sent / len(estimates)}
    return summary | summarize_likelihood(
        estimates, reference=reference, likelihood=settings.search.likelihood, formation=formation
    )


def _measure(settings: RefineStage, reference: Reference, device: torch.device) -> ImageFormation:
    particles = load_particles(settings.particles, datadir=settings.datadir)
    noise = find_noise(settings.particles, particles)
    return measure_formation(
        reference.model, reference.modes, particles, settings=settings.search, noise=noise, device=device
    )


def _load_given(settings: RefineStage, reference: Reference, particles: ParticleStack) -> Estimates:
    """Return what is known of each particle, along the modes of the reference or, by another program, of the pose."""
    numbers = reference.modes.numbers if find_suffix(settings.estimates) == ".xmd" else None
    given = load_estimates(settings.estimates, mode_numbers=numbers, pixel_size=particles.pixel_size)
    if given.mode_numbers:  # those of another program leave the amplitudes open
        given = select_modes(given, reference.modes.numbers, source=str(settings.estimates))
    return match_estimates(given, particles.names)


def _prepare(settings: RefineStage, reference: Reference, formation: Path) -> EstimateIds:
    particles = load_particles(settings.particles, datadir=settings.datadir)
    common = {
        "settings": settings.search,
        "formation": read_formation(formation),
        "device": choose_device(settings.device),
    }
    refiner = make_refinement_aligner(
        reference.model,
        reference.modes,
        particles,
        initial=_load_given(settings, reference, particles),
        alternatives=_load_alternatives(settings.estimates, particles),
        refinement=settings.refinement,
        seed=settings.seed,
        **common,
    )

    @cache
    def make_searcher() -> Aligner:
        return make_search_aligner(reference.model, reference.modes, particles, **common)

    def refine(ids: Tensor) -> tuple[Estimates, ...]:
        refined, others = align_with_alternatives(refiner, particles, ids)
        if not settings.refinement.falls_back:
            return refined, others
        rejected = torch.tensor([status in FAILED for status in refined.status]).nonzero()[:, 0]
        if len(rejected) == 0:
            return refined, others, refined
        searched = align_with_alternatives(make_searcher(), particles, ids[rejected])
        return *keep_better((refined, others), rejected, searched), refined

    return refine


def keep_better(
    refined: tuple[Estimates, Estimates], rows: Tensor, searched: tuple[Estimates, Estimates]
) -> tuple[Estimates, Estimates]:
    """Return `refined` with the rows `rows` replaced by those of `searched` that score higher.

    Each is the estimates and the alternatives of some of the images, which follow the estimates that are kept.
    """
    better = searched[0].score > refined[0].score[rows]
    source = torch.arange(len(refined[0]))
    source[rows[better]] = len(refined[0]) + better.nonzero()[:, 0]
    replaced = {searched[0].names[row] for row in better.nonzero()[:, 0].tolist()}
    others = concatenate_estimates([refined[1], searched[1]])
    taken = [name in replaced for name in refined[1].names] + [name not in replaced for name in searched[1].names]
    kept = (~torch.tensor(taken, dtype=torch.bool)).nonzero()[:, 0]
    return concatenate_estimates([refined[0], searched[0]]).select(source), others.select(kept)


def _load_alternatives(estimates: Path, particles: ParticleStack) -> Float[Tensor, "images hypotheses 3 3"] | None:
    """Return the other orientations that a prediction's folder holds for each image."""
    folder = estimates if estimates.is_dir() else estimates.parent
    tables = [match_estimates(read_estimates(path), particles.names) for path in sorted(folder.glob(HYPOTHESES))]
    return torch.stack([table.poses.rotations for table in tables], dim=1) if tables else None
