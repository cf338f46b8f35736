"""The Cramer-Rao bound: what no unbiased estimator can beat."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.objective import evaluate, invert_fisher
from deephemnma.alignment.observation import make_observations
from deephemnma.alignment.state import State
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.synthesis import ImageFormation, project_images


def compute_bound(
    model: GaussianModel,
    modes: Modes,
    poses: Poses,
    amplitudes: Float[Tensor, "images modes"],
    *,
    optics: Optics | None,
    formation: ImageFormation,
    batch_size: int = 64,
) -> Float[Tensor, "images parameters parameters"]:
    """Return the inverse Fisher matrix of each image at the truth, the contrast being unknown as well.

    Parameters
    ----------
    model, modes, poses, amplitudes, optics
        The generating model; the images are those of ``project_images``, on the box of the noise.
    formation
        The true contrast, noise and B-factor.
    batch_size
        Images at once.

    Returns
    -------
    covariance
        Of amplitudes (A), rotation about the view axes (radians), shift (A); float64.
    """
    noise = formation.noise
    band = make_band(noise.box_size, noise.pixel_size)
    projector = GaussianProjector(model, modes, band)
    parts = []
    for rows in torch.arange(len(poses)).split(batch_size):
        some = optics.select(rows) if optics is not None else None
        clean = formation.contrast * project_images(
            model,
            modes,
            poses.select(rows),
            amplitudes[rows],
            box_size=noise.box_size,
            pixel_size=noise.pixel_size,
            optics=some,
            b_factor=formation.b_factor,
        )
        state = State(poses.rotations[rows].float(), poses.shifts[rows].float(), amplitudes[rows].float())
        observed = make_observations(clean, band, optics=some, noise=noise, b_factor=formation.b_factor)
        parts.append(invert_fisher(evaluate(observed, projector, state).curvature))
    return torch.cat(parts)
