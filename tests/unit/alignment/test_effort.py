"""How thoroughly images are searched."""

import math
from dataclasses import replace

import pytest

from deephemnma.alignment.bank import Bank
from deephemnma.alignment.effort import EFFORTS, STRONG, WEAK, choose_effort, choose_refinement_effort, compute_signal
from deephemnma.alignment.exhaustive_search import make_search_bank
from deephemnma.alignment.objective import evaluate
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.likelihood import LikelihoodSettings
from deephemnma.settings.refine import RefineSettings

COARSE = 12.0
SEARCH = EstimateSettings(orientations=200, amplitude_range=0.0)


@pytest.fixture(scope="module")
def bank(molecule) -> Bank:
    return make_search_bank(molecule.make_projector(COARSE), scales=molecule.scales, settings=SEARCH)


def measure(bank: Bank, case, formation: ImageFormation, **likelihood) -> float:
    band = case.molecule.make_projector(COARSE).band
    return compute_signal(
        bank.templates, band, case.source, formation=formation, likelihood=LikelihoodSettings(**likelihood)
    )


def test_the_signal_is_what_right_fits_gain(bank, bright):
    observations = bright.observe(COARSE)
    found = evaluate(observations, bright.molecule.make_projector(COARSE), bright.truth)
    empty = observations.data.abs().square().sum(1).double() / 2
    gained = float((empty - found.cost).mean())
    assert measure(bank, bright, bright.formation) == pytest.approx(gained, rel=0.15)


def test_the_signal_goes_with_the_contrast_squared_and_with_one_over_the_noise(bank, bright):
    formation = replace(bright.formation, contrast_spread=0.0)
    once = measure(bank, bright, formation)
    assert measure(bank, bright, replace(formation, contrast=3 * formation.contrast)) == pytest.approx(9 * once)
    varied = replace(formation, contrast_spread=formation.contrast / 2)
    assert measure(bank, bright, varied) == pytest.approx(once / 4)
    louder = replace(formation, noise=replace(formation.noise, power=5 * formation.noise.power))
    assert measure(bank, bright, louder) == pytest.approx(once / 5)


def test_what_does_not_count_or_fades_is_no_signal(bank, bright):
    once = measure(bank, bright, bright.formation)
    assert measure(bank, bright, replace(bright.formation, b_factor=300.0)) < 0.9 * once
    assert measure(bank, bright, bright.formation, low_resolution=30.0) < 0.9 * once


def test_the_signal_is_unknown_before_the_contrast_is(bank, bright):
    assert measure(bank, bright, replace(bright.formation, contrast=0.0)) is None


@pytest.mark.parametrize(
    ("signal", "effort"),
    [
        (2 * STRONG, "quick"),
        (STRONG, "normal"),
        (WEAK, "normal"),
        (None, "normal"),
        (0.9 * WEAK, "thorough"),
        (0.0, "thorough"),
        (math.inf, "quick"),
    ],
)
def test_the_signal_chooses_the_effort(signal, effort):
    assert choose_effort(EstimateSettings(), signal) == EFFORTS[effort]


@pytest.mark.parametrize("name", EFFORTS)
def test_what_is_asked_for_is_done_whatever_the_signal(name):
    assert choose_effort(EstimateSettings(effort=name), 10 * STRONG) == EFFORTS[name]
    mine = choose_effort(EstimateSettings(effort=name, starts=7, finalists=2), 0.0)
    assert (mine.starts, mine.finalists, mine.candidates) == (7, 2, EFFORTS[name].candidates)


def test_more_effort_tries_more():
    quick, normal, thorough = (EFFORTS[name] for name in ("quick", "normal", "thorough"))
    for fewer, more in ((quick, normal), (normal, thorough)):
        assert fewer.starts < more.starts
        assert fewer.finalists < more.finalists
        assert fewer.candidates < more.candidates


def test_a_refinement_adds_nothing_to_the_numbers_it_is_given():
    weak = choose_refinement_effort(RefineSettings(), 0.0)
    strong = choose_refinement_effort(RefineSettings(), 2 * STRONG)
    assert weak.starts > strong.starts
    assert weak.candidates > strong.candidates == 0
    mine = choose_refinement_effort(RefineSettings(starts=1, finalists=1), 0.0)
    assert (mine.starts, mine.finalists, mine.candidates) == (1, 1, 0)
    assert choose_refinement_effort(RefineSettings(starts=1), 0.0).finalists == 1
