"""From coarse to fine: which states go on from level to level."""

import pytest
import torch

from deephemnma.alignment import schedule
from deephemnma.alignment.distinct import select_distinct
from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.objective import evaluate
from deephemnma.alignment.schedule import Level, descend
from deephemnma.alignment.state import State

COARSE, FINE = 20.0, 3.6
IMAGES = 24


@pytest.fixture(scope="module")
def faint(molecule):
    """Images in which the minimum at low resolution lies farther from the truth than a descent reaches."""
    return molecule.make_case(IMAGES, snr=0.01, seed=11)


def run_descent(case, *, candidates: int, images: slice = slice(None), starts: int = 1) -> Fit:
    """Descend from the truth over two levels, of which the first keeps all its starts."""
    rows = torch.arange(IMAGES)[images]
    coarse, fine = (case.molecule.make_projector(resolution) for resolution in (COARSE, FINE))
    levels = [
        Level(coarse, kept=starts, iterations=8, refined=starts),
        Level(fine, kept=1, iterations=20, refined=4, candidates=candidates),
    ]
    given = case.truth.select(rows.repeat_interleave(starts))
    if starts > 1:
        apart = torch.randn(len(given), 8, generator=torch.Generator().manual_seed(0))
        given = given.move(6 * apart * case.molecule.scales.to_vector(3))
    return descend(case.observe(FINE).select(rows), levels, given, scales=case.molecule.scales)


def test_candidates_find_minima_that_a_descent_misses(faint):
    """A miss ends where the data are less likely than at the truth."""
    truth = evaluate(faint.observe(FINE), faint.molecule.make_projector(FINE), faint.truth)
    without, with_them = (run_descent(faint, candidates=count).evaluation.cost for count in (0, 256))
    assert int((without > truth.cost).sum()) >= IMAGES // 3
    assert int((with_them > truth.cost).sum()) <= 2
    assert float((without - with_them).median()) > 2


def test_what_is_tried_for_an_image_does_not_depend_on_its_neighbours(faint):
    every = run_descent(faint, candidates=64)
    some = run_descent(faint, candidates=64, images=slice(5, 9))
    torch.testing.assert_close(some.evaluation.cost, every.evaluation.cost[5:9], atol=0.05, rtol=0)


def test_the_next_level_refines_no_more_than_it_should_however_many_starts_there_are(faint, monkeypatch):
    refined = []

    def note(observations, projector, start, **options):
        refined.append(len(start))
        return fit(observations, projector, start, **options)

    fit = schedule.fit
    monkeypatch.setattr(schedule, "fit", note)
    found = run_descent(faint, candidates=8, images=slice(0, 2), starts=12)
    assert refined == [2 * 12, 2 * 4]
    assert len(found.converged) == 2


def test_distinct_states_are_chosen_image_by_image(faint):
    molecule = faint.molecule
    states = State(torch.eye(3).expand(6, 3, 3).clone(), torch.zeros(6, 2), torch.zeros(6, 3))
    states.shifts[:, 0] = torch.tensor([0.0, 0.1, 5.0, 0.0, 0.1, 5.0])
    costs = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
    options = {"kept": 2, "distance": 1.0, "scales": molecule.scales}
    assert select_distinct(states, costs, **options).tolist() == [[0, 2], [3, 5]]
    broken = costs.clone()
    broken[0, 0] = torch.nan
    assert select_distinct(states, broken, **options)[1].tolist() == [3, 5]
