"""Conformations of simulated molecules."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.seed import make_image_generator
from deephemnma.settings.stage.simulate import ConformationOptions

HELIX_MODES = 3
Draw = Callable[[int, torch.Generator], Float[Tensor, "modes"]]
"""Amplitudes, A, of an image: from its number and its own random numbers."""


@dataclass(frozen=True)
class Frames:
    """Conformations given as coordinates.

    Attributes
    ----------
    positions
        A, superimposed on the reference.
    amplitudes
        Projections of the displacements on the modes, A: as near to the truth as the modes can tell it.
    """

    positions: Float[Tensor, "frames sites 3"]
    amplitudes: Float[Tensor, "frames modes"]


def make_draw(options: ConformationOptions, *, n_sites: int, n_modes: int, seed: int) -> Draw:
    """Return how the amplitudes of each image are drawn."""
    options = options.resolve(n_sites=n_sites)
    scale = options.amplitude_scale
    if options.distribution == "helix":
        return _make_helix(scale, n_modes=n_modes)
    if options.distribution == "grid":
        return _make_grid(scale, n_points=options.grid_points, n_modes=n_modes)
    if options.distribution == "uniform":
        return lambda image, generator: scale * (2 * _draw_uniform(n_modes, generator) - 1)
    if options.distribution == "normal":
        return lambda image, generator: scale * _draw_normal(n_modes, generator)
    return _make_clusters(options, n_modes=n_modes, seed=seed)


def describe_still(options: ConformationOptions, modes: Modes) -> str | None:
    """Return a sentence about the modes that the distribution does not move; None if it moves all."""
    if options.distribution != "helix" or modes.n_modes <= HELIX_MODES:
        return None
    still = ", ".join(map(str, modes.numbers[HELIX_MODES:]))
    still = f"mode {still} stays" if modes.n_modes == HELIX_MODES + 1 else f"modes {still} stay"
    moving = ", ".join(map(str, modes.numbers[:HELIX_MODES]))
    return (
        f"{still} at 0: the helix winds along the first three of "
        f"--modes ({moving}); --distribution normal (or uniform, clusters) moves all"
    )


def superimpose_frames(positions: Float[Tensor, "frames sites 3"], *, model: GaussianModel, modes: Modes) -> Frames:
    """Superimpose the frames of a trajectory (A, any frame) on the reference and measure them along the modes."""
    if positions.shape[1] != model.n_sites:
        raise InputError(
            f"The models (--models) have {positions.shape[1]} sites, the reference has {model.n_sites}: "
            "give models of the same atoms, in the same order."
        )
    target = model.positions.expand_as(positions)
    rotation, shift = roma.rigid_points_registration(positions, target)
    moved = torch.einsum("fxy,fsy->fsx", rotation, positions) + shift[:, None]
    return Frames(moved, torch.einsum("msx,fsx->fm", modes.vectors, moved - model.positions))


def _make_helix(scale: float, *, n_modes: int) -> Draw:
    if n_modes < HELIX_MODES:
        raise InputError(
            f"--distribution helix winds along three modes, but --modes names {n_modes}: name three, "
            "or choose another --distribution."
        )

    def draw(image: int, generator: torch.Generator) -> Float[Tensor, "modes"]:
        r = _draw_uniform(1, generator)
        helix = torch.cat((-r, (math.pi * r).sin(), (math.pi * r).cos()))
        return scale * torch.cat((helix, helix.new_zeros(n_modes - HELIX_MODES)))

    return draw


def _make_grid(scale: float, *, n_points: int, n_modes: int) -> Draw:
    nodes = torch.linspace(-scale, scale, n_points, dtype=torch.float64)
    powers = n_points ** torch.arange(n_modes)
    return lambda image, generator: nodes[(image // powers) % n_points]


def _make_clusters(options: ConformationOptions, *, n_modes: int, seed: int) -> Draw:
    generator = make_image_generator(seed, -1)
    centres = options.amplitude_scale * (2 * _draw_uniform(options.n_clusters * n_modes, generator) - 1)
    centres = centres.reshape(options.n_clusters, n_modes)
    return lambda image, generator: (
        centres[image % options.n_clusters] + options.cluster_width * _draw_normal(n_modes, generator)
    )


def _draw_uniform(count: int, generator: torch.Generator) -> Float[Tensor, "count"]:
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _draw_normal(count: int, generator: torch.Generator) -> Float[Tensor, "count"]:
    return torch.randn(count, generator=generator, dtype=torch.float64)
