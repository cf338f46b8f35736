"""What simulated images show: molecules in their poses, seen by the microscope."""

from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.seed import make_image_generator
from deephemnma.core.structure import AtomicModel
from deephemnma.distributed.device import choose_device
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.synthesis import project_images
from deephemnma.io.structure import read_models
from deephemnma.pipeline.conformation import Frames, make_draw, superimpose_frames
from deephemnma.pipeline.microscope import compute_image_ctf, draw_chances, draw_pose, make_contrasts, make_optics
from deephemnma.pipeline.reference import Reference
from deephemnma.reference.site import select_sites
from deephemnma.settings.stage.simulate import SimulateStage
from deephemnma.settings.structure import SITES


@dataclass(frozen=True)
class Scene:
    """What the simulated images show.

    Attributes
    ----------
    poses, optics
        Of each image.
    contrasts
        Of each image, in units of the mean.
    amplitudes
        Of each image, A.
    frames
        Conformations that the images show in turn, where they come from models.
    generators
        Each image's random numbers, as far as they are used up.
    """

    poses: Poses
    optics: Optics
    contrasts: Float[Tensor, "images"]
    amplitudes: Float[Tensor, "images modes"]
    frames: Frames | None
    generators: list[torch.Generator]


def make_scene(settings: SimulateStage, reference: Reference) -> Scene:
    """Draw conformation, pose, optics and contrast of every image from its own random numbers."""
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
    chances = torch.stack([draw_chances(generator) for generator in generators])
    return Scene(
        poses=Poses(torch.cat([pose.rotations for pose in poses]), torch.cat([pose.shifts for pose in poses])),
        optics=make_optics(settings.image, chances),
        contrasts=make_contrasts(settings.image, chances),
        amplitudes=amplitudes,
        frames=frames,
        generators=generators,
    )


def project_scene(
    settings: SimulateStage, reference: Reference, scene: Scene, ids: Int[Tensor, "images"]
) -> Float[Tensor, "images box box"]:
    """Return the images `ids` without noise, at the mean contrast, as the detector sees them."""
    modes, amplitudes = _find_motion(reference, scene, ids)
    return project_images(
        reference.model,
        modes,
        scene.poses.select(ids),
        amplitudes,
        optics=scene.optics.select(ids),
        box_size=settings.image.detector.box_size,
        pixel_size=settings.image.detector.pixel_size,
        b_factor=settings.image.b_factor,
        device=choose_device(settings.device),
    ).cpu()


def draw_scene_noise(
    settings: SimulateStage, scene: Scene, ids: Int[Tensor, "images"], noise: NoiseModel
) -> Float[Tensor, "images box box"]:
    """Draw the noise of images `ids`, each from its own random numbers."""
    ctf = compute_image_ctf(settings.image.detector, scene.optics.select(ids))
    numbered = zip(ids.tolist(), ctf.split(1), strict=True)
    return torch.cat([noise.draw(1, generator=scene.generators[image], ctf=each) for image, each in numbered])


def _find_motion(
    reference: Reference, scene: Scene, ids: Int[Tensor, "images"]
) -> tuple[Modes, Float[Tensor, "images modes"]]:
    """Return the modes, and how far each image goes along them.

    The displacements of frames are modes too, along which an image goes all the way or not at all: so images of
    different frames are projected together.
    """
    if scene.frames is None:
        return reference.modes, scene.amplitudes[ids]
    frames, which = (ids % len(scene.frames.positions)).unique(return_inverse=True)
    displacements = scene.frames.positions[frames] - reference.model.positions
    modes = Modes(displacements, torch.zeros(len(frames), dtype=torch.float64), tuple(range(1, len(frames) + 1)))
    return modes, torch.nn.functional.one_hot(which, len(frames)).double()


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
