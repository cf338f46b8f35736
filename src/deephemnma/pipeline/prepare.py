"""The stage `prepare`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.imaging.contrast import measure_contrast
from deephemnma.imaging.noise_estimation import estimate_noise
from deephemnma.imaging.normalization import make_background
from deephemnma.io.atomic import write_beside
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import ParticleSet, read_particles
from deephemnma.pipeline.formation import NOISE_FILE, write_noise
from deephemnma.pipeline.image_preparation import Recipe
from deephemnma.pipeline.particles import PARTICLES_FILE, load_particle_sets
from deephemnma.pipeline.prepared_block import Part, make_block_maker
from deephemnma.pipeline.prepared_table import count_moves, make_prepared_tables, name_groups
from deephemnma.pipeline.progress import announce, track_progress
from deephemnma.pipeline.report.noise_figure import draw_noise
from deephemnma.pipeline.stack_blocks import run_stack_blocks
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.pipeline.target_grid import Grid, choose_grid, get_grid
from deephemnma.settings.stage.prepare import PrepareStage

STACK_FILE, NOISE_PICTURE = "particles.mrcs", "noise.png"
LARGEST_BLOCK, BLOCK_PIXELS = 256, 2**23
"""Images of a block, and stored pixels (of the largest box) that it has at the most: some 32 MB of them."""
DEFAULT_RADIUS = 0.45
"""Of the particle, share of the field of view."""
IMAGES_FOR_CONTRAST, BLOCK_FOR_CONTRAST = 200, 32
PICTURE_DPI = 150


def run_prepare(settings: PrepareStage, *, output: Path | str) -> Path:
    """Bring particles to one box and pixel size, recentre, phase-flip, normalise them, and measure their noise.

    Writes `particles.mrcs`, `particles.star` (every row and column that is not about the old pixels), `noise.json` (the
    spectrum of the noise of each optics group, from which `estimate` and `refine` start) and its picture `noise.png`.

    Parameters
    ----------
    settings
        What to do with which particles.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("prepare", settings, output=output, body=_prepare)


def _prepare(settings: PrepareStage, stage: StageFolder) -> dict[str, Any]:
    sets = load_particle_sets(settings.particles, datadir=settings.datadir)
    grid = choose_grid(settings, sets)
    radius = DEFAULT_RADIUS * grid.width if settings.radius is None else settings.radius
    parts = _make_parts(settings, sets, grid, radius=radius)
    count = sum(len(each.rows) for each in sets)
    scales = ", ".join(f"{len(each.rows):,} of {get_grid(each)}" for each in sets)
    announce(f"Particles: {scales}; to be of {grid}.")
    counts = run_stack_blocks(
        stage,
        stage.path / STACK_FILE,
        count=count,
        block_size=max(1, min(LARGEST_BLOCK, BLOCK_PIXELS // max(get_grid(each).box_size for each in sets) ** 2)),
        grid=grid,
        float16=settings.float16,
        prepare=partial(make_block_maker, parts),
        workers=settings.workers,
        label="prepared images",
    )
    tables = make_prepared_tables(
        sets, grid, stack=stage.path / STACK_FILE, moves=[part.moves for part in parts], flip=settings.phase_flip
    )
    write_particle_star(stage.path / PARTICLES_FILE, table=tables.particles, optics_table=tables.optics)
    summary = {
        "images": count,
        "groups": len(tables.optics),
        "box (pixels)": grid.box_size,
        "pixel size (A)": grid.pixel_size,
        "bad images": counts["bad"],
    }
    if settings.recenter:
        summary["moved images"] = sum(int((part.moves != 0).any(1).sum()) for part in parts)
    return summary | {"contrast": _look_at_result(stage, radius=radius)}


def _make_parts(settings: PrepareStage, sets: Sequence[ParticleSet], grid: Grid, *, radius: float) -> tuple[Part, ...]:
    background = _make_background(grid, radius)
    flips = _choose_flips(settings, sets)
    return tuple(
        Part(
            each.rows,
            each.particles,
            Recipe(
                source=get_grid(each),
                target=grid,
                background=background,
                phase_flip=flip,
                invert_contrast=settings.invert_contrast,
                ramp=settings.ramp,
                normalize=settings.normalize,
            ),
            count_moves(each.particles, source=settings.particles) if settings.recenter else None,
        )
        for each, flip in zip(sets, flips, strict=True)
    )


def _make_background(grid: Grid, radius: float) -> Bool[Tensor, "box box"]:
    background = make_background(grid.box_size, radius / grid.pixel_size)
    if not background.any():
        raise InputError(f"--radius {radius:g} A leaves no background in a box of {grid.width:.1f} A: make it smaller.")
    return background


def _choose_flips(settings: PrepareStage, sets: Sequence[ParticleSet]) -> list[bool]:
    """Return for each set whether its images are to be flipped: those that are so already are left alone."""
    optics = [each.particles.optics for each in sets]
    flipped = [each is not None and each.phase_flipped for each in optics]
    if not settings.phase_flip:
        if any(flipped) and not all(flipped):
            raise InputError(
                f"Some images of {settings.particles} are phase-flipped and some are not, which cannot go into one "
                "set: give --phase-flip, for the others to be flipped as well."
            )
        return [False] * len(sets)
    if all(flipped) or None in optics:
        reason = "have no CTF" if None in optics else "are phase-flipped already"
        raise InputError(f"--phase-flip was asked for, but the particles of {settings.particles} {reason}.")
    return [not each for each in flipped]


def _look_at_result(stage: StageFolder, *, radius: float) -> str:
    """Measure the noise of the new images, write and draw it; return what their contrast is, in words."""
    particles = read_particles(stage.path / PARTICLES_FILE)
    with track_progress("noise", 1) as advance:
        noise = estimate_noise(particles, radius=radius)
        write_noise(stage.path / NOISE_FILE, noise)
        with write_beside(stage.path / NOISE_PICTURE) as path:
            draw_noise(noise, groups=name_groups(particles)).savefig(path, dpi=PICTURE_DPI)
        advance(1)
    ids = torch.linspace(0, len(particles) - 1, min(IMAGES_FOR_CONTRAST, len(particles))).round().long()
    contrast = measure_contrast(torch.cat([particles[block] for block in ids.split(BLOCK_FOR_CONTRAST)]))
    if contrast.is_certain and contrast.difference < 0:
        announce(
            "Note: protein looks dark in the prepared images; it should be white. If it was dark in the stored ones, "
            "prepare them with --invert-contrast."
        )
    return contrast.describe()
