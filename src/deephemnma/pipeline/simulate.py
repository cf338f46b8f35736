"""The stage `simulate`."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status, make_estimates
from deephemnma.core.fourier import fourier_crop, fourier_transform, inverse_fourier_transform
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.structure import AtomicModel
from deephemnma.distributed.device import choose_device
from deephemnma.distributed.seed import make_image_generator
from deephemnma.imaging.synthesis import ImageFormation, project_images
from deephemnma.io.particles_writer import StackWriter
from deephemnma.io.star import make_particle_table, write_particle_star
from deephemnma.io.structure import read_models
from deephemnma.io.table import write_estimates
from deephemnma.pipeline.conformation import Frames, make_draw, superimpose_frames
from deephemnma.pipeline.formation import SIMULATION_FILE, write_formation
from deephemnma.pipeline.microscope import (
    NoiseLevels,
    compute_image_ctf,
    compute_noise_levels,
    draw_noise,
    draw_pose,
    make_noise_model,
    make_optics,
)
from deephemnma.pipeline.particles import PARTICLES_FILE, TRUTH_FILE
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.reference.site import select_sites
from deephemnma.settings.stage.reference import SITES
from deephemnma.settings.stage.simulate import SimulateStage

BLOCK = 64
IMAGES_FOR_SCALE = 256


@dataclass(frozen=True)
class Scene:
    """What the simulated images show.

    Attributes
    ----------
    poses, optics
        Of each image.
    amplitudes
        Of each image, A.
    frames
        Number of each image's frame, where conformations come from models.
    generators
        Each image's random numbers, as far as they are used up.
    """

    poses: Poses
    optics: Optics
    amplitudes: Float[Tensor, "images modes"]
    frames: Frames | None
    generators: list[torch.Generator]


def run_simulate(settings: SimulateStage, *, output: Path | str) -> Path:
    """Simulate particles of known conformation and pose.

    Writes `particles.star` and `particles.mrcs`, `truth.parquet` (the table of estimates, status "given") and
    `simulation.json` (contrast and noise power, from which bounds on any estimate follow). The noise has variance 1
    before any cropping.

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
    scene = _make_scene(settings, reference)
    first = torch.arange(min(settings.count, IMAGES_FOR_SCALE))
    clean = torch.cat([_project(settings, reference, scene, ids) for ids in first.split(BLOCK)])
    signal = float(clean.var(dim=(-2, -1), correction=0).mean())
    contrast = (settings.image.snr / signal) ** 0.5
    detector = settings.image.detector
    ctf = compute_image_ctf(detector, scene.optics.select(first))
    levels = compute_noise_levels(detector, ctf)
    stack = stage.path / "particles.mrcs"
    with (
        StackWriter(
            stack, box_size=settings.image.box_size, pixel_size=settings.image.pixel_size, count=settings.count
        ) as writer,
        track_progress("simulated images", settings.count) as advance,
    ):
        for ids in torch.arange(settings.count).split(BLOCK):
            clean = contrast * _project(settings, reference, scene, ids)
            writer.write(_crop(clean + _draw_noise(settings, scene, ids, levels), settings.image.box_size))
            advance(len(ids))
    _write_tables(settings, scene, stack)
    noise = make_noise_model(detector, levels).resample(settings.image.box_size)
    # A crop keeps grey values, so the sum over the fewer pixels of an image shrinks.
    formation = ImageFormation(contrast / settings.image.oversampling**2, noise)
    write_formation(stage.path / SIMULATION_FILE, formation, notes={"snr": settings.image.snr})
    rmsd = scene.amplitudes.square().sum(dim=1) / reference.model.n_sites
    return {
        "images": settings.count,
        "box (pixels)": settings.image.box_size,
        "SNR": settings.image.snr,
        "greatest displacement (A RMSD)": float(rmsd.max().sqrt()),
    }


def _make_scene(settings: SimulateStage, reference: Reference) -> Scene:
    generators = [make_image_generator(settings.seed, image) for image in range(settings.count)]
    frames, amplitudes = None, None
    if settings.conformation.models is not None:
        frames = _read_frames(settings, reference)
        amplitudes = frames.amplitudes[torch.arange(settings.count) % len(frames.amplitudes)]
    else:
        draw = make_draw(
            settings.conformation,
            n_sites=reference.model.n_sites,
            n_modes=reference.modes.n_modes,
            seed=settings.seed,
        )
        amplitudes = torch.stack([draw(image, generator) for image, generator in enumerate(generators)])
    poses = [draw_pose(settings.image, generator) for generator in generators]
    spread = torch.cat([2 * torch.rand(1, generator=generator, dtype=torch.float64) - 1 for generator in generators])
    return Scene(
        poses=Poses(torch.cat([pose.rotations for pose in poses]), torch.cat([pose.shifts for pose in poses])),
        optics=make_optics(settings.image, spread),
        amplitudes=amplitudes,
        frames=frames,
        generators=generators,
    )


def _read_frames(settings: SimulateStage, reference: Reference) -> Frames:
    models = read_models(settings.conformation.models)
    positions = [_select_positions(model, n_sites=reference.model.n_sites) for model in models]
    return superimpose_frames(torch.stack(positions), model=reference.model, modes=reference.modes)


def _select_positions(atoms: AtomicModel, *, n_sites: int) -> Float[Tensor, "sites 3"]:
    """Return the sites of a model, of the kind that gives the reference's number: stored modes do not tell the kind."""
    for kind in SITES:
        with suppress(InputError):
            sites = select_sites(atoms, kind)
            if len(sites.elements) == n_sites:
                return sites.positions
    return atoms.positions


def _project(
    settings: SimulateStage, reference: Reference, scene: Scene, ids: Tensor
) -> Float[Tensor, "images box box"]:
    options = {
        "box_size": settings.image.detector.box_size,
        "pixel_size": settings.image.detector.pixel_size,
        "device": choose_device(settings.device),
    }
    if scene.frames is None:
        values = scene.poses.select(ids), scene.amplitudes[ids]
        return project_images(
            reference.model, reference.modes, *values, optics=scene.optics.select(ids), **options
        ).cpu()
    still = reference.modes.select(())
    return torch.cat(
        [
            project_images(
                replace(reference.model, positions=scene.frames.positions[image % len(scene.frames.positions)]),
                still,
                scene.poses.select(row),
                scene.amplitudes[row, :0],
                optics=scene.optics.select(row),
                **options,
            ).cpu()
            for image, row in zip(ids.tolist(), ids.split(1), strict=True)
        ]
    )


def _draw_noise(
    settings: SimulateStage, scene: Scene, ids: Tensor, levels: NoiseLevels
) -> Float[Tensor, "images box box"]:
    ctf = compute_image_ctf(settings.image.detector, scene.optics.select(ids))
    numbered = zip(ids.tolist(), ctf, strict=True)
    return torch.stack([draw_noise(levels, each, generator=scene.generators[image]) for image, each in numbered])


def _crop(images: Float[Tensor, "images fine fine"], box_size: int) -> Float[Tensor, "images box box"]:
    return inverse_fourier_transform(fourier_crop(fourier_transform(images), box_size=box_size), box_size=box_size)


def _write_tables(settings: SimulateStage, scene: Scene, stack: Path) -> None:
    names = tuple(f"{number:06d}@{stack}" for number in range(1, settings.count + 1))
    numbers = settings.reference.mode_numbers
    truth = make_estimates(
        names=names, poses=scene.poses, amplitudes=scene.amplitudes, mode_numbers=numbers, status=Status.GIVEN
    )
    write_estimates(stack.with_name(TRUTH_FILE), truth)
    table, optics_table = make_particle_table(
        names, pixel_size=settings.image.pixel_size, box_size=settings.image.box_size, optics=scene.optics
    )
    write_particle_star(stack.with_name(PARTICLES_FILE), table=table, optics_table=optics_table)
