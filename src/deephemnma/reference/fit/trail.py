"""One way down from coarse to fine: a docking, and the conformation found from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.superposition import compute_rmsd
from deephemnma.reference.fit.box import Components, FitBox
from deephemnma.reference.fit.concentration import compute_concentration
from deephemnma.reference.fit.descent import TOLERANCE, Descent, descend, make_step_scale
from deephemnma.reference.fit.placement import Placement, place_sites
from deephemnma.reference.fit.prior import FIRST_RMSD, compute_temperature, estimate_temperature, make_stiffness
from deephemnma.reference.fit.transform import DensityTransform

STEP_LENGTH = 0.25
"""Longest step, A of root mean square displacement, in units of the resolution."""
ITERATIONS, ROUNDS = 30, 3
FIRST_ITERATIONS = 12
"""Of the first descent of a start, which only tells whether to go on with it."""
SAME_TEMPERATURE = 0.1
"""Relative change below which the temperature has been found."""
KICKED_MODES, KICK = 3, 1.5
"""Besides the docking itself, starts have one of the first modes moved either way by so many standard deviations."""
SAME_CONFORMATION = 0.1
"""Trails are one if their sites are nearer than this (root mean square), in units of the resolution."""


@dataclass(frozen=True)
class Trail:
    """Where one start has come to.

    Attributes
    ----------
    rigid, flexible
        The best placements as it is, and with its modes.
    temperature
        Of the modes.
    cost
        Minus the log of the posterior, in units in which a difference of 1/2 is a standard deviation.
    covariance
        Of the parameters of `flexible`.
    converged
        Whether the descent came to its end.
    concentration
        Of the misfit in the molecule; see :func:`compute_concentration`.
    """

    rigid: Placement
    flexible: Placement
    temperature: float
    cost: float = math.inf
    covariance: Float[Tensor, "parameters parameters"] | None = None
    converged: bool = False
    concentration: float = 1.0


@dataclass(frozen=True)
class Scene:
    """What is fitted into what, at one level.

    Attributes
    ----------
    density
        The model with its modes.
    still
        The same without modes.
    components
        The map.
    resolution
        A.
    stiffness
        Weight of the elastic energy.
    """

    density: DensityTransform
    still: DensityTransform
    components: Components
    resolution: float
    stiffness: float


def make_scene(
    model: GaussianModel, modes: Modes, box: FitBox, components: Components, *, resolution: float, stiffness: float
) -> Scene:
    """Return the model beside the map."""
    density = DensityTransform(model, modes, box, components)
    still = DensityTransform(model, modes.select(()), box, components)
    return Scene(density, still, components, resolution, stiffness)


def make_trails(scene: Scene, docking: Placement, *, kicked: bool) -> list[Trail]:
    """Return the starts that one docking gives: as it is and, `kicked`, with one of the first modes moved."""
    modes, model = scene.density.modes, scene.density.model
    stiffness = make_stiffness(modes)
    temperature = compute_temperature(stiffness, rmsd=FIRST_RMSD, n_sites=model.n_sites) if modes.n_modes else 1.0
    rigid, _ = dock(scene, docking.without_motion())
    n_kicked = KICKED_MODES if kicked and modes.n_modes > 1 else 0
    kicks = torch.diag(KICK * (temperature / stiffness).sqrt())[:n_kicked]
    moved = [Placement(each, rigid.rotation, rigid.shift) for each in torch.cat((kicks, -kicks))]
    starts = [docking if docking.amplitudes.any() else rigid, *moved]
    return [Trail(rigid, start, temperature) for start in starts]


def dock(scene: Scene, start: Placement) -> tuple[Placement, float]:
    """Return the best placement of the reference conformation, and its cost."""
    none = start.amplitudes[:0]
    scale = make_step_scale(scene.still.model, n_modes=0, length=STEP_LENGTH * scene.resolution)
    bare = Placement(none, start.rotation, start.shift)
    found = descend(scene.components, scene.still, bare, step_scale=scale, precision=none, iterations=ITERATIONS)
    placement = Placement(torch.zeros_like(start.amplitudes), found.placement.rotation, found.placement.shift)
    return placement, found.evaluation.cost


def advance_trail(scene: Scene, trail: Trail) -> Trail:
    """Descend with all modes; find temperature and conformation in turn."""
    return _descend(scene, trail, rounds=ROUNDS, iterations=ITERATIONS)


def try_trail(scene: Scene, trail: Trail) -> Trail:
    """Descend a few steps."""
    return _descend(scene, trail, rounds=1, iterations=FIRST_ITERATIONS)


def _descend(scene: Scene, trail: Trail, *, rounds: int, iterations: int) -> Trail:
    modes, n_sites = scene.density.modes, scene.density.model.n_sites
    scale = make_step_scale(scene.density.model, n_modes=modes.n_modes, length=STEP_LENGTH * scene.resolution)
    placement, temperature, stiffness = trail.flexible, trail.temperature, make_stiffness(modes)
    for _ in range(rounds):
        concentration = compute_concentration(scene.components, scene.density.transform(placement))
        precision = scene.stiffness * stiffness / temperature * concentration
        descent = descend(
            scene.components,
            scene.density,
            placement,
            step_scale=scale,
            precision=precision,
            iterations=iterations,
            tolerance=TOLERANCE * concentration,
        )
        placement, covariance = descent.placement, concentration * invert(descent.evaluation.curvature)
        found = _update(temperature, stiffness, descent, covariance, n_sites=n_sites)
        change, temperature = abs(math.log(found / temperature)), found
        if change < SAME_TEMPERATURE or scene.stiffness == 0:
            break
    cost = descent.evaluation.cost / concentration
    return Trail(trail.rigid, placement, temperature, cost, covariance, descent.converged, concentration)


def _update(
    temperature: float,
    stiffness: Float[Tensor, "modes"],
    descent: Descent,
    covariance: Float[Tensor, "parameters parameters"],
    *,
    n_sites: int,
) -> float:
    if not len(stiffness):
        return temperature
    variances = covariance.diagonal()[: len(stiffness)]
    if not bool(variances.isfinite().all()):
        return temperature
    return estimate_temperature(stiffness, descent.placement.amplitudes, variances, n_sites=n_sites)


def select_trails(scene: Scene, trails: Sequence[Trail], *, keep: int) -> list[Trail]:
    """Return the best distinct trails, best first."""
    kept: list[Trail] = []
    places: list[Tensor] = []
    for trail in sorted(trails, key=lambda each: each.cost):
        sites = place_sites(scene.density.model, scene.density.modes, trail.flexible)
        if all(float(compute_rmsd(sites, other)) > SAME_CONFORMATION * scene.resolution for other in places):
            kept.append(trail)
            places.append(sites)
        if len(kept) == keep:
            break
    return kept


def invert(curvature: Float[Tensor, "parameters parameters"]) -> Float[Tensor, "parameters parameters"]:
    """Return the inverse, infinite in all parameters if some direction is blind."""
    scale = curvature.diagonal().clamp_min(1e-300).rsqrt()
    inverse, failed = torch.linalg.inv_ex(curvature * scale[:, None] * scale)
    if bool(failed) or bool((inverse.diagonal() <= 0).any()):
        inverse = torch.full_like(inverse, torch.inf)
    return inverse * scale[:, None] * scale
