"""The stage `simulate`."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.estimates import Status, make_estimates
from deephemnma.core.fourier import fourier_crop, fourier_transform, inverse_fourier_transform
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.stack.writer import StackWriter
from deephemnma.io.table import write_estimates
from deephemnma.pipeline.conformation import describe_still
from deephemnma.pipeline.formation import SIMULATION_FILE, write_formation
from deephemnma.pipeline.microscope import compute_image_ctf, make_noise_model
from deephemnma.pipeline.note import note
from deephemnma.pipeline.particles import PARTICLES_FILE, TRUTH_FILE
from deephemnma.pipeline.progress import announce, track_progress
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.scene import Scene, draw_scene_noise, make_scene, project_scene
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.simulate import SimulateStage

BLOCK = 64
IMAGES_FOR_SCALE = 256
EVEN_TO_SD = 3**0.5
"""Half the width of an even distribution over its standard deviation."""


def run_simulate(settings: SimulateStage, *, output: Path | str) -> Path:
    """Simulate particles of known conformation and pose.

    Writes `particles.star` and `particles.mrcs`, `truth.parquet` (the table of estimates, status "given") and
    `simulation.json` (contrast, noise power and B-factor, from which bounds on any estimate follow, and where
    it varies the contrast of each image in units of the mean). The noise has variance 1 before any cropping.

    Parameters
    ----------
    settings
        Molecule, conformations and microscope.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("simulate", settings, output=output, body=_simulate)


def _simulate(settings: SimulateStage, stage: StageFolder) -> dict[str, Any]:
    reference = load_reference(settings.reference)
    if still := describe_still(settings.conformation, reference.modes):
        announce(f"Note: {still}.")
        note("modes that do not move", still)
    scene = make_scene(settings, reference)
    first = torch.arange(min(settings.count, IMAGES_FOR_SCALE))
    clean = torch.cat([project_scene(settings, reference, scene, ids) for ids in first.split(BLOCK)])
    signal = float(clean.var(dim=(-2, -1), correction=0).mean())
    contrast = (settings.image.snr / signal) ** 0.5
    detector = settings.image.detector
    noise = make_noise_model(detector, compute_image_ctf(detector, scene.optics.select(first)))
    stack = stage.path / "particles.mrcs"
    with (
        StackWriter(
            stack, box_size=settings.image.box_size, pixel_size=settings.image.pixel_size, count=settings.count
        ) as writer,
        track_progress("simulated images", settings.count) as advance,
    ):
        for ids in torch.arange(settings.count).split(BLOCK):
            contrasts = (contrast * scene.contrasts[ids]).float()
            clean = contrasts[:, None, None] * project_scene(settings, reference, scene, ids)
            writer.write(_crop(clean + draw_scene_noise(settings, scene, ids, noise), settings.image.box_size))
            advance(len(ids))
    _write_tables(settings, scene, stack, mode_numbers=reference.modes.numbers)
    _write_formation(settings, scene, stage.path, contrast=contrast, noise=noise)
    rmsd = scene.amplitudes.square().sum(dim=1) / reference.model.n_sites
    return {
        "images": settings.count,
        "box (pixels)": settings.image.box_size,
        "SNR": settings.image.snr,
        "greatest displacement (A RMSD)": float(rmsd.max().sqrt()),
    }


def _write_formation(
    settings: SimulateStage, scene: Scene, folder: Path, *, contrast: float, noise: NoiseModel
) -> None:
    # A crop keeps grey values, so the sum over the fewer pixels of an image shrinks.
    contrast = contrast / settings.image.oversampling**2
    formation = ImageFormation(
        contrast,
        noise.resample(settings.image.box_size),
        contrast_spread=contrast * settings.image.contrast_spread / EVEN_TO_SD,
        b_factor=settings.image.b_factor,
    )
    notes = {"snr": settings.image.snr}
    if settings.image.contrast_spread:
        notes["relative_contrasts"] = scene.contrasts.tolist()
    write_formation(folder / SIMULATION_FILE, formation, notes=notes)


def _crop(images: Float[Tensor, "images fine fine"], box_size: int) -> Float[Tensor, "images box box"]:
    return inverse_fourier_transform(fourier_crop(fourier_transform(images), box_size=box_size), box_size=box_size)


def _write_tables(settings: SimulateStage, scene: Scene, stack: Path, *, mode_numbers: tuple[int, ...]) -> None:
    names = tuple(f"{number:06d}@{stack}" for number in range(1, settings.count + 1))
    truth = make_estimates(
        names=names, poses=scene.poses, amplitudes=scene.amplitudes, mode_numbers=mode_numbers, status=Status.GIVEN
    )
    write_estimates(stack.with_name(TRUTH_FILE), truth)
    table, optics_table = make_particle_table(
        names, pixel_size=settings.image.pixel_size, box_size=settings.image.box_size, optics=scene.optics
    )
    write_particle_star(stack.with_name(PARTICLES_FILE), table=table, optics_table=optics_table)
