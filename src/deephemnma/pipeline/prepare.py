"""The stage `prepare`."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.fourier import fourier_crop, fourier_transform, inverse_fourier_transform, make_frequencies
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import ParticleStack
from deephemnma.io.stack.writer import StackWriter
from deephemnma.pipeline.particles import PARTICLES_FILE, load_particles
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.prepare import PrepareStage

BLOCK = 64
DEFAULT_RADIUS = 0.45
STALE_COLUMNS = ("rlnOriginX", "rlnOriginY", "rlnPixelSize", "rlnDetectorPixelSize", "rlnMagnification")
"""Columns of old star files in units of the old pixel; the reader has put their values in A beside them."""


def run_prepare(settings: PrepareStage, *, output: Path | str) -> Path:
    """Phase-flip, crop and normalise particles, block by block.

    Writes `particles.mrcs` and `particles.star`, which keeps every row and column that is not about the old pixels.

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
    particles = load_particles(settings.particles, datadir=settings.datadir)
    if settings.phase_flip and (particles.optics is None or particles.optics.phase_flipped):
        reason = "have no CTF" if particles.optics is None else "are phase-flipped already"
        raise InputError(f"--phase-flip was asked for, but the particles of {settings.particles} {reason}.")
    box_size = _choose_box(settings, particles)
    pixel_size = particles.pixel_size * particles.box_size / box_size
    background = make_background(box_size, pixel_size=pixel_size, radius=settings.radius)
    stack = stage.path / "particles.mrcs"
    with (
        StackWriter(stack, box_size=box_size, pixel_size=pixel_size, count=len(particles)) as writer,
        track_progress("prepared images", len(particles)) as advance,
    ):
        for ids in particles.iterate_blocks(BLOCK):
            images = _transform(particles, ids, box_size=box_size, flip=settings.phase_flip)
            writer.write(normalize(images, background) if settings.normalize else images)
            advance(len(ids))
    _write_star(settings, particles, stack, box_size=box_size, pixel_size=pixel_size)
    return {"images": len(particles), "box (pixels)": box_size, "pixel size (A)": pixel_size}


def make_background(box_size: int, *, pixel_size: float, radius: float | None) -> Tensor:
    """Return the mask of the pixels beyond `radius` (A) of the centre."""
    radius = DEFAULT_RADIUS * box_size * pixel_size if radius is None else radius
    axis = (torch.arange(box_size) - box_size // 2) * pixel_size
    mask = torch.hypot(axis[:, None], axis[None, :]) > radius
    if not mask.any():
        raise InputError(
            f"--radius {radius:g} A leaves no background in a box of {box_size * pixel_size:.1f} A: make it smaller."
        )
    return mask


def normalize(images: Float[Tensor, "images box box"], background: Tensor) -> Float[Tensor, "images box box"]:
    """Make the background of each image mean 0 and standard deviation 1; a flat image stays flat."""
    outside = images[:, background]
    deviation = outside.std(dim=1, correction=0)
    deviation = torch.where(deviation > 0, deviation, 1)
    return (images - outside.mean(dim=1)[:, None, None]) / deviation[:, None, None]


def _choose_box(settings: PrepareStage, particles: ParticleStack) -> int:
    wanted = settings.box_size or particles.box_size
    if settings.pixel_size is not None:
        wanted = 2 * round(particles.box_size * particles.pixel_size / settings.pixel_size / 2)
    if not 16 <= wanted <= particles.box_size:
        raise InputError(
            f"The images have {particles.box_size} pixels of {particles.pixel_size:g} A; cropping to {wanted} is not "
            "possible: give a --box-size from 16 to that, or a greater --pixel-size."
        )
    return wanted


def _transform(particles: ParticleStack, ids: Tensor, *, box_size: int, flip: bool) -> Float[Tensor, "images box box"]:
    if not flip and box_size == particles.box_size:
        return particles[ids]
    transforms = fourier_transform(particles[ids])
    if flip:
        frequencies = make_frequencies(particles.box_size, particles.pixel_size)
        transforms = transforms * compute_ctf(particles.optics.select(ids).to("cpu"), frequencies).sign()
    return inverse_fourier_transform(fourier_crop(transforms, box_size=box_size), box_size=box_size)


def _write_star(
    settings: PrepareStage, particles: ParticleStack, stack: Path, *, box_size: int, pixel_size: float
) -> None:
    table = particles.table.drop(columns=[name for name in STALE_COLUMNS if name in particles.table.columns])
    names = [f"{number:06d}@{stack}" for number in range(1, len(particles) + 1)]
    table = table.assign(rlnImageName=names, rlnImageOriginalName=pd.Series(particles.names, index=table.index))
    optics = particles.optics_table.assign(rlnImagePixelSize=pixel_size, rlnImageSize=box_size)
    if settings.phase_flip:
        optics = optics.assign(rlnCtfDataArePhaseFlipped=1)
    write_particle_star(stack.with_name(PARTICLES_FILE), table=table, optics_table=optics)
