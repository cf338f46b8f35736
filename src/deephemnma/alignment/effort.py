"""How thoroughly an image is searched: as its signal asks for."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Complex, Int
from torch import Tensor

from deephemnma.alignment.observation import make_observations
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.band import Band
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.likelihood import LikelihoodSettings
from deephemnma.settings.refine import RefineSettings

IMAGES, TEMPLATES = 64, 1024
"""On which the signal is computed."""
STRONG, WEAK = 125.0, 70.0
"""Signals above the first need but a quick search, those below the second a thorough one."""


@dataclass(frozen=True)
class Effort:
    """States an image that are tried.

    Attributes
    ----------
    starts
        Refined at the resolution of the search.
    finalists
        Refined to the end; in between, the number falls from level to level by the same factor.
    candidates
        Tried around those that leave a level, at the resolution of the next; 0 goes on with these alone.
    """

    starts: int
    finalists: int
    candidates: int


EFFORTS = {
    "quick": Effort(starts=24, finalists=3, candidates=0),
    "normal": Effort(starts=64, finalists=5, candidates=512),
    "thorough": Effort(starts=512, finalists=24, candidates=4096),
}


REFINEMENT = {
    "quick": Effort(starts=8, finalists=2, candidates=0),
    "normal": Effort(starts=12, finalists=3, candidates=256),
    "thorough": Effort(starts=32, finalists=6, candidates=1024),
}
"""Where poses and amplitudes are given."""


def choose_effort(settings: EstimateSettings, signal: float | None) -> Effort:
    """Return the effort that the settings name, or that suits the `signal` (:func:`compute_signal`; None: unknown)."""
    effort = EFFORTS[settings.effort if settings.effort != "auto" else _suit(signal)]
    return replace(effort, starts=settings.starts or effort.starts, finalists=settings.finalists or effort.finalists)


def choose_refinement_effort(refinement: RefineSettings, signal: float | None) -> Effort:
    """Return the effort that suits the `signal`; numbers that the settings give are kept to, and nothing is added."""
    effort = REFINEMENT[_suit(signal)]
    if refinement.starts:
        effort = replace(effort, starts=refinement.starts, candidates=0)
    return replace(effort, finalists=min(refinement.finalists or effort.finalists, effort.starts))


def _suit(signal: float | None) -> str:
    if signal is None or WEAK <= signal <= STRONG:
        return "normal"
    return "quick" if signal > STRONG else "thorough"


def compute_signal(
    templates: Complex[Tensor, "templates components"],
    band: Band,
    source: ImageSource,
    *,
    formation: ImageFormation,
    likelihood: LikelihoodSettings,
) -> float | None:
    """Return the log likelihood by which the right template is expected to stand out from an empty image: a weak one.

    ``contrast^2 / 2 sum T^2 |p|^2`` in the `band` of the search, with the whitened transfer T of the images, the
    average over images and `templates` p, for a contrast one standard deviation below that of the set. None where the
    contrast is not known yet. Components that do not count for the `likelihood` have no transfer.
    """
    if formation.contrast <= 0:
        return None
    ids = choose_evenly(len(source), IMAGES)
    optics = None if source.optics is None else source.optics.select(ids)
    blank = torch.zeros(len(ids), source.box_size, source.box_size)
    seen = make_observations(
        blank,
        band,
        optics=optics,
        noise=formation.noise,
        b_factor=formation.b_factor,
        likelihood=replace(likelihood, mask_radius=0.0),
    )
    some = choose_evenly(len(templates), TEMPLATES).to(templates.device)
    power = torch.view_as_real(templates[some]).square().sum(-1).mean(0)
    contrast = max(formation.contrast - formation.contrast_spread, 0.0)
    return contrast**2 / 2 * float((seen.transfer.square().mean(0) * power).sum())


def choose_evenly(count: int, most: int) -> Int[Tensor, "chosen"]:
    """Return at most `most` of `count` numbers, spread evenly."""
    return torch.linspace(0, count - 1, min(most, count)).round().long()
