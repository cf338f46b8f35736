"""What computes on a GPU mixes no devices: shown without one, on torch's device that keeps nothing but shapes."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from deephemnma.alignment.bank import Bank
from deephemnma.alignment.candidate import select_likeliest
from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.objective import evaluate, invert_fisher
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.observed_curvature import observe_curvature
from deephemnma.alignment.prior import AmplitudePrior
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.score import compute_scores
from deephemnma.alignment.score_bank import score_bank
from deephemnma.alignment.state import State
from deephemnma.alignment.status import SearchRange, compute_evidence, compute_excess, find_outside, find_rivals
from deephemnma.alignment.widening import widen
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.noise import make_white_noise
from deephemnma.imaging.separable_transform import SeparableTransform
from deephemnma.imaging.splat_transform import SplatTransform
from deephemnma.imaging.synthesis import ImageFormation

SITES, MODES, IMAGES, TEMPLATES, KEPT = 30, 2, 4, 10, 3
BAND = make_band(16, 2.0)
DEVICE = "meta"


def move(noun):
    """Return a dataclass with all its tensors on a device that keeps shapes alone."""
    tensors = {each.name: getattr(noun, each.name) for each in fields(noun)}
    return replace(noun, **{name: value.to(DEVICE) for name, value in tensors.items() if isinstance(value, Tensor)})


MODEL = GaussianModel(torch.randn(SITES, 3), torch.ones(SITES), torch.full((SITES,), 2.0), torch.zeros(3))
VECTORS = Modes(torch.randn(MODES, SITES, 3), torch.ones(MODES), (7, 8))
STATE = State(torch.eye(3).expand(IMAGES, 3, 3).clone(), torch.zeros(IMAGES, 2), torch.zeros(IMAGES, MODES))


def make_projector(kind: str, monkeypatch: pytest.MonkeyPatch) -> GaussianProjector:
    def make_transform(band, widths, *, tolerance):
        if kind == "separable":
            return SeparableTransform(band, widths)
        monkeypatch.setattr(
            "deephemnma.imaging.grid_transform.factorize_damping",
            lambda widths, band, *, tolerance: (widths.new_ones(2, SITES), widths.new_ones(2, band.n_components)),
        )
        return SplatTransform(band, widths)

    monkeypatch.setattr("deephemnma.imaging.gaussian_projector.make_point_transform", make_transform)
    return GaussianProjector(move(MODEL), move(VECTORS), move(BAND))


def make_observations() -> Observations:
    n = BAND.n_components
    seen = Observations(BAND, torch.zeros(IMAGES, n, dtype=torch.complex64), torch.ones(IMAGES, n))
    return replace(move(seen), band=move(BAND))


@pytest.mark.parametrize("kind", ["separable", "splat"])
def test_a_likelihood_stays_on_its_device(kind, monkeypatch):
    projector = make_projector(kind, monkeypatch)
    state = move(STATE)
    value = projector.project(state.rotations, state.shifts, state.amplitudes)
    assert (value.device.type, value.shape) == (DEVICE, (IMAGES, BAND.n_components))
    found = evaluate(make_observations(), projector, state)
    covariance = invert_fisher(found.curvature)
    assert (covariance.device.type, covariance.shape) == (DEVICE, (IMAGES, MODES + 5, MODES + 5))
    assert found.cost.dtype == torch.float64


def test_states_are_drawn_on_the_device_of_the_fits(monkeypatch):
    projector, state = make_projector("separable", monkeypatch), move(STATE)
    found = evaluate(make_observations(), projector, state)
    fits = Fit(state, found, found.cost > 0, found.cost)
    drawn = widen(fits, draws=KEPT, resolution=8.0, scales=Scales(amplitude=5.0, rotation=0.1))
    assert (drawn.rotations.device.type, len(drawn)) == (DEVICE, IMAGES * KEPT)


def test_a_bank_is_scored_on_its_device():
    templates = torch.ones(TEMPLATES, BAND.n_components, dtype=torch.complex64)
    bank = move(Bank(torch.eye(3).expand(TEMPLATES, 3, 3).clone(), torch.zeros(1, MODES), templates))
    found = score_bank(make_observations(), bank, torch.zeros(2, 2, device=DEVICE), kept=KEPT)
    assert found.gains.device.type == found.states.rotations.device.type == DEVICE
    assert found.gains.shape == (IMAGES, KEPT)


def test_what_becomes_of_an_image_is_judged_on_its_device(monkeypatch):
    monkeypatch.setattr(Observations, "degrees", 2 * BAND.n_components)  # shapes cannot be asked what is zero
    projector, state, seen = make_projector("separable", monkeypatch), move(STATE), make_observations()
    held, scales = (2, 3, 4), Scales(amplitude=5.0, rotation=0.1)
    prior = AmplitudePrior(torch.ones(MODES, dtype=torch.float64))  # as it is made: on the CPU
    seen, searched = replace(seen, prior=prior), SearchRange(amplitude=10.0, shift=5.0)
    found = evaluate(seen, projector, state)
    fits = Fit(state, found, found.cost > 0, found.cost)
    covariance = invert_fisher(found.curvature, held=held)
    rivals, shares = find_rivals(fits, covariance, kept=2, searched=searched, held=held)
    evidence = compute_evidence(fits, found.cost, searched=searched, contrast=1.0, prior=prior, held=held)
    outside = compute_excess(state, covariance, searched=searched).norm(dim=1)
    noise = make_white_noise(1.0, box_size=16, pixel_size=2.0)
    scores = compute_scores(
        seen,
        projector,
        state,
        found,
        formation=ImageFormation(1.0, noise, contrast_spread=0.1),
        outside=outside,
        share=shares.flatten(),
    )
    observed = observe_curvature(seen, projector, fits, scales=scales).evaluation.curvature
    beyond = find_outside(state, covariance, searched=searched)
    for values in (rivals, shares, evidence, scores, observed, beyond):
        assert values.device.type == DEVICE


def test_candidates_are_chosen_on_the_device_of_the_images(monkeypatch):
    projector = make_projector("separable", monkeypatch)
    prior = AmplitudePrior(torch.ones(MODES, dtype=torch.float64))
    candidates = move(STATE).select(
        torch.arange(IMAGES, device=DEVICE).repeat_interleave(KEPT, output_size=IMAGES * KEPT)
    )
    chosen = select_likeliest(
        replace(make_observations(), prior=prior),
        projector,
        candidates,
        kept=2,
        scales=Scales(amplitude=5.0, rotation=0.1),
    )
    assert (chosen.rotations.device.type, len(chosen)) == (DEVICE, 2 * IMAGES)


def test_mixed_devices_are_noticed():
    state = move(STATE)
    with pytest.raises(RuntimeError, match="device"):
        state.shifts + torch.zeros(IMAGES, 2)
