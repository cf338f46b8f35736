"""Flexible fitting of a reference into a map: amplitudes of its modes, rotation and shift, from coarse to fine."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.reference.fit.box import FitBox, select_components
from deephemnma.reference.fit.likelihood import Comparison, compare
from deephemnma.reference.fit.placement import Placement, place_sites
from deephemnma.reference.fit.result import FitStatus, Level, MapFit
from deephemnma.reference.fit.search import is_same_docking
from deephemnma.reference.fit.trail import (
    Scene,
    Trail,
    advance_trail,
    dock,
    make_scene,
    make_trails,
    select_trails,
    try_trail,
)

COARSEST = 0.65
"""Resolution of the first level, in units of the model's radius."""
LEVEL_RATIO = 1.5
KEPT = (3, 2, 1)
"""Trails that go on after the first levels."""
DOCKINGS, TRIED = 6, 4
"""Of those given, how many get flexible; of all starts, how many do so for more than a few steps."""
NOISE, MISFIT, CONCENTRATED, LOST = 0.143, 0.5, 3.0, 1.25
"""A level is left out, and all finer ones, if the fit so far has a shell correlation below a threshold at a resolution
coarser, by the last, than the level: nothing is seen there. The threshold is the first where noise is to blame, and the
second where the model is, whose misfit is concentrated in the molecule by more than the third: detail that the modes
cannot make would only pull them."""
LEAST_LEVELS = 4
"""That are fitted in any case: a bent molecule may explain little until its modes have been seen to move."""
DETAIL = 4.0
"""A docking is trusted if it explains half of the detail (shell correlation 0.5) to this part of the molecule's
diameter; one by the overall shape alone is not."""
NOISY_DETAIL, SPREAD = 5.0, 2.25
"""Where noise is to blame for less, shells have to stand out of it (`NOISE`) to this part of the diameter instead, and
the misfit must not be concentrated in the molecule by more than this: right fits have 1.2 to 2.1, and wrong ones above
2.5 as long as anything stands out so far."""
AMBIGUITY = 3.0
"""Log likelihood by which the best docking must be ahead of the next."""
OTHER_ANGLE, OTHER_SHIFT = math.radians(25), 0.5
"""What makes a docking another one: radians, or A in units of the resolution."""


def make_levels(model: GaussianModel, resolution: float) -> tuple[float, ...]:
    """Return the resolutions of the levels, A, the last of them `resolution`."""
    count = max(0, math.ceil(math.log(max(1.0, COARSEST * model.radius / resolution)) / math.log(LEVEL_RATIO)))
    return tuple(resolution * LEVEL_RATIO**level for level in range(count, -1, -1))


def fit_map(
    model: GaussianModel,
    modes: Modes,
    box: FitBox,
    *,
    dockings: Sequence[Placement],
    levels: Sequence[float],
    stiffness: float = 1.0,
    ambiguous: bool = False,
    advance: Callable[[float], None] = lambda amount: None,
) -> MapFit:
    """Fit a reference into a map.

    Parameters
    ----------
    model, modes
        The reference.
    box
        The map, cut to the molecule and some room around it.
    dockings
        Where the molecule may be, each within about a fifth of its diameter and 30 degrees.
    levels
        Resolutions, A, from coarse to fine.
    stiffness
        Weight of the elastic energy, 0 for none.
    ambiguous
        Whether the search that gave the dockings has left out another that is about as likely.
    advance
        Called with the share of the work done since the last call.
    """
    done, trails = [], []
    shares = _share_work(levels)
    for number, resolution in enumerate(levels):
        components = select_components(box, resolution)
        scene = make_scene(model, modes, box, components, resolution=resolution, stiffness=stiffness)
        if number >= LEAST_LEVELS and _is_exhausted(scene, box, trails[0]):
            advance(sum(shares[number:]))
            break
        if number == 0:
            trails = _make_first_trails(scene, dockings)
        trails = [advance_trail(scene, replace(each, rigid=dock(scene, each.rigid)[0])) for each in trails]
        trails = select_trails(scene, trails, keep=KEPT[min(number, len(KEPT) - 1)] + 1)
        ambiguous = ambiguous or (number > 0 and _is_ambiguous(trails, resolution))
        trails = trails[: KEPT[min(number, len(KEPT) - 1)]]
        compared = compare(components, scene.density.transform(trails[0].flexible))
        rigid = compare(components, scene.density.transform(trails[0].rigid))
        done.append(Level(resolution, rigid.overall, compared.overall, trails[0].flexible.amplitudes))
        status = _judge(scene, box, compared, trails[0], ambiguous=ambiguous)
        advance(shares[number])
    best = trails[0]
    return MapFit(best.rigid, best.flexible, best.covariance, status, ambiguous, best.temperature, tuple(done))


def _is_exhausted(scene: Scene, box: FitBox, best: Trail) -> bool:
    """Return whether a level would not add to what is known."""
    threshold = MISFIT if best.concentration > CONCENTRATED else NOISE
    compared = compare(scene.components, scene.density.transform(best.flexible))
    return find_resolution(compared, box, threshold) > LOST * scene.resolution


def find_resolution(compared: Comparison, box: FitBox, threshold: float) -> float:
    """Return the resolution, A, of the last shell before the correlation first falls below `threshold`."""
    below = (compared.correlation < threshold).nonzero()
    shell = int(below[0]) if len(below) else len(compared.correlation)
    return box.edge / max(shell, 0.5)


def _share_work(levels: Sequence[float]) -> list[float]:
    cost = [level**-3 for level in levels]
    return [each / sum(cost) for each in cost]


def _make_first_trails(scene: Scene, dockings: Sequence[Placement]) -> list[Trail]:
    chosen = _select_dockings(scene, dockings)
    starts = [trail for docking in chosen for trail in make_trails(scene, docking, kicked=len(chosen) == 1)]
    if len(starts) <= TRIED:
        return starts
    return select_trails(scene, [try_trail(scene, each) for each in starts], keep=TRIED)


def _select_dockings(scene: Scene, dockings: Sequence[Placement]) -> list[Placement]:
    if len(dockings) <= DOCKINGS:
        return list(dockings)
    found = sorted((dock(scene, docking) for docking in dockings), key=lambda each: each[1])
    kept: list[Placement] = []
    for placement, _ in found:
        if not any(_is_same(placement, other, scene.resolution) for other in kept):
            kept.append(placement)
    return kept[:DOCKINGS]


def _is_same(first: Placement, second: Placement, resolution: float) -> bool:
    return is_same_docking(first, second, angle=OTHER_ANGLE, shift=OTHER_SHIFT * resolution)


def _is_ambiguous(trails: Sequence[Trail], resolution: float) -> bool:
    """Return whether another docking is about as likely as the best."""
    best = trails[0]
    others = [each for each in trails[1:] if not _is_same(each.flexible, best.flexible, resolution)]
    return any(each.cost - best.cost < AMBIGUITY for each in others)


def _judge(scene: Scene, box: FitBox, compared: Comparison, best: Trail, *, ambiguous: bool) -> FitStatus:
    model = scene.density.model
    sites = place_sites(model, scene.density.modes, best.flexible)
    if float((sites - box.center).abs().max()) > box.edge / 2:
        return FitStatus.OUTSIDE
    if not _explains_detail(compared, box, best, diameter=2 * model.radius):
        return FitStatus.POOR
    if ambiguous:
        return FitStatus.AMBIGUOUS
    return FitStatus.CONVERGED if best.converged else FitStatus.NOT_CONVERGED


def _explains_detail(compared: Comparison, box: FitBox, best: Trail, *, diameter: float) -> bool:
    """Return whether more is explained than the overall shape, or as much more as the noise of the map lets see."""
    if find_resolution(compared, box, MISFIT) <= diameter / DETAIL:
        return True
    return best.concentration <= SPREAD and find_resolution(compared, box, NOISE) <= diameter / NOISY_DETAIL
