"""States drawn from within the error bars of fits."""

import pytest
import torch

from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.objective import Evaluation, evaluate, invert_fisher
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.alignment.widening import REACH, widen
from deephemnma.metrics.angle import compute_rotation_vector

DRAWS, RESOLUTION = 1024, 10.0
SCALES = Scales(amplitude=15.0, rotation=0.06)
UNIT = REACH * RESOLUTION * SCALES.to_vector(2).double()


def make_fits(curvature: torch.Tensor) -> Fit:
    """Make fits of two modes at the reference, with this curvature of (amplitudes, rotation, shift, contrast)."""
    count = len(curvature)
    state = State(torch.eye(3).expand(count, 3, 3).clone(), torch.zeros(count, 2), torch.zeros(count, 2))
    nothing = torch.zeros(count)
    evaluation = Evaluation(nothing.double(), nothing + 1, torch.zeros(count, 8), curvature.float())
    return Fit(state, evaluation, nothing > 0, nothing.double())


def draw(fits: Fit, **options) -> torch.Tensor:
    """Return the steps taken from each fit, in all parameters but the contrast."""
    drawn = widen(fits, draws=DRAWS, resolution=RESOLUTION, scales=SCALES, **options)
    turns = compute_rotation_vector(drawn.rotations.double(), torch.eye(3).expand(len(drawn), 3, 3).double())
    steps = torch.cat((drawn.amplitudes.double(), turns, drawn.shifts.double()), dim=1)
    return steps.unflatten(0, (len(fits.converged), DRAWS))


def make_sharp_curvature() -> torch.Tensor:
    """Return a full curvature whose error bars are a hundredth of the reach, with a contrast that is correlated."""
    mixing = (
        torch.eye(8, dtype=torch.float64) + 0.3 * torch.randn(8, 8, generator=torch.Generator().manual_seed(0)).double()
    )
    unit = torch.cat((UNIT / 100, torch.tensor([0.1]))).double()
    return (mixing @ mixing.T / unit[:, None] / unit)[None]


def test_draws_have_the_covariance_of_the_likelihood():
    curvature = make_sharp_curvature()
    steps = draw(make_fits(curvature))[0]
    expected = invert_fisher(curvature)[0]
    scale = expected.diagonal().rsqrt()
    found = steps.T @ steps / len(steps) * scale[:, None] * scale
    torch.testing.assert_close(found, expected * scale[:, None] * scale, atol=0.05, rtol=0)
    assert float((steps.mean(0) * scale).abs().max()) < 0.03


def test_the_first_draw_is_the_fit_itself_and_the_others_are_not():
    steps = draw(make_fits(make_sharp_curvature()))[0]
    assert float(steps[0].abs().max()) == 0
    assert float(steps[1:].abs().amax(1).min()) > 0


def test_what_is_held_does_not_move():
    curvature = make_sharp_curvature()
    held = (0, 2, 3, 4)
    steps = draw(make_fits(curvature), held=held)[0]
    assert float(steps[:, held].abs().max()) == 0
    free = torch.tensor([1, 5, 6])
    # given what is held, that is with the rows of the curvature that are left
    kept = torch.tensor([1, 5, 6, 7])
    variance = curvature[0][kept][:, kept].inverse().diagonal()[:3]
    torch.testing.assert_close(steps[:, free].square().mean(0), variance, rtol=0.1, atol=0)


def test_what_the_image_does_not_tell_is_limited_by_the_reach():
    curvature = make_sharp_curvature()
    curvature[:, 1, :] = curvature[:, :, 1] = 0
    steps = draw(make_fits(curvature))[0]
    torch.testing.assert_close(steps[:, 1].square().mean().sqrt(), UNIT[1], rtol=0.05, atol=0)
    others = torch.tensor([0, 2, 3, 4, 5, 6])
    assert float((steps[:, others].square().mean(0).sqrt() / UNIT[others]).max()) < 0.1


@pytest.mark.parametrize("contrast_curvature", [0.0, 1e-30])
def test_an_image_in_which_nothing_was_found_is_searched_within_the_reach(contrast_curvature):
    curvature = torch.zeros(2, 8, 8, dtype=torch.float64)
    curvature[0] = make_sharp_curvature()[0]
    curvature[1, -1, -1] = contrast_curvature
    steps = draw(make_fits(curvature))
    assert bool(steps.isfinite().all())
    torch.testing.assert_close(steps[1].square().mean(0).sqrt(), UNIT, rtol=0.05, atol=0)
    torch.testing.assert_close(steps[0], draw(make_fits(curvature[:1]))[0])  # its neighbour does not notice


def test_a_blank_image_gives_states_that_can_be_projected(bright):
    molecule = bright.molecule
    projector = molecule.make_projector(12.0)
    observations = bright.observe(12.0)
    observations.data[0] = 0
    evaluation = evaluate(observations, projector, bright.truth)
    fits = Fit(bright.truth, evaluation, evaluation.cost > 0, evaluation.cost)
    drawn = widen(fits, draws=16, resolution=12.0, scales=molecule.scales)
    value = projector.project(drawn.rotations, drawn.shifts, drawn.amplitudes)
    assert bool(value.isfinite().all())
    blank, seen = drawn.amplitudes.unflatten(0, (8, 16))[:2].var(1).mean(1)
    assert float(blank) > float(seen)
