"""What every search strategy must do, and what each of those that start from given poses or amplitudes must keep."""

import math
from dataclasses import replace

import pytest
import torch

from deephemnma.alignment.aligner import Aligner, align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.conformation_search import ConformationSearch
from deephemnma.alignment.held import HeldProjector
from deephemnma.alignment.local_search import LocalSearch
from deephemnma.alignment.objective import evaluate, invert_fisher
from deephemnma.alignment.orientation_search import OrientationSearch
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations, rotation_from_vector
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.likelihood import LikelihoodSettings
from deephemnma.settings.refine import RefineSettings

SETTINGS = EstimateSettings(
    orientations=1000, amplitude_range=3.0, amplitude_spacing=3.0, shift_range=4.5, starts=12, batch_size=8
)
REFINEMENT = RefineSettings(candidates=64, starts=6)
MODES, POSE = slice(0, 3), slice(3, 8)


@pytest.fixture(scope="module")
def case(molecule):
    return molecule.make_case(16, snr=0.5, seed=40)


def give(case, *, degrees: float, bend: float, shift: float = 0.5, seed: int = 0) -> Estimates:
    """Return the truth turned by so many degrees about random axes, bent by so many A RMSD a mode and moved."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.nn.functional.normalize(torch.randn(len(case.poses), 3, generator=generator).double(), dim=1)
    rotations = rotation_from_vector(math.radians(degrees) * axes) @ case.poses.rotations
    signs = torch.randn(case.amplitudes.shape, generator=generator).sign()
    return make_estimates(
        names=case.source.names,
        poses=Poses(rotations, case.poses.shifts + shift),
        amplitudes=case.amplitudes + bend * case.molecule.scales.amplitude * signs,
        mode_numbers=case.molecule.modes.numbers,
        status=Status.PREDICTED,
    )


def forget_amplitudes(given: Estimates) -> Estimates:
    """Return the poses alone, as another program gives them."""
    return make_estimates(
        names=given.names, poses=given.poses, amplitudes=torch.zeros(len(given), 0, dtype=torch.float64),
        mode_numbers=(), status=Status.GIVEN,
    )  # fmt: skip


def forget_poses(given: Estimates) -> Estimates:
    """Return the amplitudes with orientations that have nothing to do with the images."""
    generator = torch.Generator().manual_seed(8)
    rotations = make_random_rotations(len(given), generator=generator)
    return replace(given, poses=Poses(rotations, torch.zeros_like(given.poses.shifts)))


def make_refiner(case, initial: Estimates, *, strategy: str = "local", **options) -> Aligner:
    molecule = case.molecule
    refinement = replace(options.pop("refinement", REFINEMENT), strategy=strategy)
    chosen = {"settings": SETTINGS, "refinement": refinement, "formation": case.formation} | options
    return make_refinement_aligner(molecule.model, molecule.modes, case.source, initial=initial, **chosen)


def refine(case, initial: Estimates, **options) -> Estimates:
    return align_images(make_refiner(case, initial, **options), case.source, torch.arange(len(case.poses)))


def angles(estimates: Estimates, truth: Poses) -> torch.Tensor:
    return compute_geodesic_angle(estimates.poses.rotations, truth.rotations).rad2deg()


# What every strategy must do


def make_strategy(name: str, case) -> SearchStrategy:
    if name == "exhaustive":
        molecule = case.molecule
        return make_search_aligner(
            molecule.model, molecule.modes, case.source, settings=SETTINGS, formation=case.formation
        ).strategy
    near = give(case, degrees=10, bend=1.0)
    given = {
        "local": near,
        "poses of another program": forget_amplitudes(give(case, degrees=3, bend=0)),
        "conformation": forget_amplitudes(give(case, degrees=3, bend=0)),
        "rigid": forget_poses(give(case, degrees=0, bend=0.3)),
        "rigid-local": give(case, degrees=10, bend=0.3),
    }[name]
    return make_refiner(case, given, strategy=name if name in _NAMES else "local").strategy


_NAMES = ("local", "conformation", "rigid", "rigid-local")


@pytest.fixture(scope="module", params=["exhaustive", "poses of another program", *_NAMES])
def strategy(request, case) -> SearchStrategy:
    return make_strategy(request.param, case)


def test_a_strategy_proposes_its_number_of_starts(strategy, case):
    states = strategy.propose(case.observe().restrict(strategy.band), torch.arange(16))
    assert len(states) == 16 * strategy.starts
    assert states.amplitudes.shape[1] == 3
    identity = states.rotations @ states.rotations.mT
    torch.testing.assert_close(identity, torch.eye(3).expand_as(identity), atol=1e-5, rtol=0)


def test_a_strategy_proposes_the_likeliest_first_and_one_near_the_truth(strategy, case):
    observed = case.observe().restrict(strategy.band)
    states = strategy.propose(observed, torch.arange(16))
    rows = torch.arange(16).repeat_interleave(strategy.starts)
    projector = case.molecule.make_projector(
        strategy.band.box_size * strategy.band.pixel_size / strategy.band.max_index * 0.999
    )
    costs = evaluate(observed.select(rows), projector, states).cost.unflatten(0, (16, -1))
    assert bool((costs[:, 0] <= costs.amin(1) + 1.0).all())
    near = case.molecule.scales.compute_distance(states, case.truth.select(rows)).unflatten(0, (16, -1)).amin(1)
    assert int((near < 8.0).sum()) >= 15


def test_proposals_do_not_depend_on_order_or_company(strategy, case):
    observed = case.observe().restrict(strategy.band)
    ids = torch.tensor([11, 2, 7])
    together = strategy.propose(observed, torch.arange(16))
    apart = strategy.propose(observed.select(ids), ids)
    rows = (ids[:, None] * strategy.starts + torch.arange(strategy.starts)).flatten()
    torch.testing.assert_close(apart.amplitudes, together.amplitudes[rows], atol=1e-4, rtol=0)
    torch.testing.assert_close(apart.rotations, together.rotations[rows], atol=1e-5, rtol=0)
    torch.testing.assert_close(apart.shifts, together.shifts[rows], atol=1e-5, rtol=0)


# Around what is given


@pytest.fixture(scope="module")
def ideal(case) -> Estimates:
    """What refinement reaches when it starts at the truth."""
    return refine(case, give(case, degrees=0, bend=0, shift=0))


def count_equal(found: Estimates, ideal: Estimates, *, within: float = 2.0) -> int:
    """Return how many images have the amplitudes of the right minimum, to so many A."""
    return int(((found.amplitudes - ideal.amplitudes).abs().amax(1) < within).sum())


def test_refinement_finishes_what_is_fifteen_degrees_off(case, ideal):
    initial = give(case, degrees=15, bend=1.0)
    refined = refine(case, initial)
    assert float(angles(initial, case.poses).min()) > 14
    assert count_equal(refined, ideal) >= 14
    right = (refined.amplitudes - ideal.amplitudes).abs().amax(1) < 2.0
    assert float(angles(refined, case.poses)[right].max()) < 6


def test_an_alternative_orientation_is_used(case):
    """The given orientation is wrong, the second hypothesis is right."""
    wrong = give(case, degrees=150, bend=0.0)
    narrow = replace(REFINEMENT, rotation_spread_deg=3.0)
    without = refine(case, wrong, refinement=narrow)
    with_it = refine(case, wrong, alternatives=case.poses.rotations[:, None], refinement=narrow)
    assert int((angles(with_it, case.poses) < 6).sum()) >= 14
    assert int((angles(without, case.poses) < 6).sum()) <= 5


def test_known_error_bars_say_how_far_to_look(case):
    """States tried around an estimate with error bars scatter with these, those of an image without do not."""
    initial = give(case, degrees=0, bend=0.0)
    bars = torch.tensor([9.0, 5.0, 2.0, 0.05, 0.03, 0.01, 0.5, 0.2], dtype=torch.float64)
    covariance = torch.diag(bars.square()).repeat(16, 1, 1)
    covariance[5] = torch.nan
    strategy = make_refiner(
        case, replace(initial, covariance=covariance), refinement=replace(REFINEMENT, candidates=400)
    ).strategy
    assert isinstance(strategy, LocalSearch)
    tried = strategy.make_candidates(torch.tensor([4, 5]))
    amplitudes = tried.amplitudes.unflatten(0, (2, -1)) - initial.amplitudes[4:6, None].float()
    torch.testing.assert_close(amplitudes[0].std(0), bars[:3].float(), rtol=0.1, atol=0)
    unknown = REFINEMENT.amplitude_spread * case.molecule.scales.amplitude
    torch.testing.assert_close(amplitudes[1].std(0), torch.full((3,), unknown), rtol=0.1, atol=0)
    torch.testing.assert_close(amplitudes[:, 0], torch.zeros(2, 3), atol=1e-4, rtol=0)


def test_the_seed_decides_what_is_tried(case):
    initial = give(case, degrees=5, bend=0.5)
    tried = [make_refiner(case, initial, seed=seed).strategy.make_candidates(torch.arange(16)) for seed in (1, 1, 2)]
    assert torch.equal(tried[0].amplitudes, tried[1].amplitudes)
    assert not torch.equal(tried[0].amplitudes, tried[2].amplitudes)


def test_poses_of_another_program_get_conformations_from_all_that_are_searched(case, ideal):
    """Motions of up to 3 A a mode, of which nothing is known, at poses that are 4 degrees off."""
    found = refine(case, forget_amplitudes(give(case, degrees=4, bend=0)))
    assert count_equal(found, ideal) >= 15
    assert found.mode_numbers == (7, 8, 9)


def test_estimates_of_other_images_or_modes_are_refused(case):
    initial = give(case, degrees=5, bend=0.5)
    with pytest.raises(InputError, match="not those of the 16 particles"):
        make_refiner(case, initial.select(torch.arange(5)))
    with pytest.raises(InputError, match="modes"):
        make_refiner(case, replace(initial, mode_numbers=(7, 8, 10)))


# What is held


def test_conformations_are_found_at_poses_that_are_kept(case):
    given = give(case, degrees=0, bend=0, shift=0)
    aligner = make_refiner(case, forget_amplitudes(given), strategy="conformation")
    assert isinstance(aligner.strategy, ConformationSearch)
    found = align_images(aligner, case.source, torch.arange(16))
    assert torch.equal(found.poses.rotations, given.poses.rotations.float().double())
    assert torch.equal(found.poses.shifts, given.poses.shifts.float().double())
    scaled = (found.amplitudes - case.amplitudes) / found.standard_deviations[:, MODES]
    assert float(scaled.abs().max()) < 4.5
    assert 0.7 < float(scaled.std()) < 1.3


def test_orientations_are_found_for_conformations_that_are_kept(case):
    given = forget_poses(give(case, degrees=0, bend=0))
    aligner = make_refiner(case, given, strategy="rigid")
    assert isinstance(aligner.strategy, OrientationSearch)
    found = align_images(aligner, case.source, torch.arange(16))
    assert torch.equal(found.amplitudes, given.amplitudes.float().double())
    assert int((angles(given, case.poses) > 30).sum()) >= 14
    right = angles(found, case.poses) < 6
    assert int(right.sum()) >= 15
    scaled = (found.poses.shifts - case.poses.shifts) / found.standard_deviations[:, 6:8]
    assert 0.6 < float(scaled[right].std()) < 1.4


def test_poses_are_improved_around_the_given_ones_for_conformations_that_are_kept(case):
    given = give(case, degrees=12, bend=0)
    found = refine(case, given, strategy="rigid-local")
    assert torch.equal(found.amplitudes, given.amplitudes.float().double())
    assert int((angles(found, case.poses) < 4).sum()) >= 15


def test_a_pose_is_not_rejected_for_the_conformation_that_was_to_be_kept(case):
    """A conformation 2 A off: no pose explains the images as well as noise allows, but the right ones are found."""
    given = give(case, degrees=5, bend=2.0)
    found = refine(case, given, strategy="rigid-local")
    assert float(found.score.median()) < -3
    assert Status.REJECTED not in found.status
    assert float(angles(found, case.poses).median()) < 8


def test_a_prior_does_not_move_conformations_that_are_kept(case):
    given = give(case, degrees=3, bend=0)
    strict = replace(SETTINGS, likelihood=LikelihoodSettings(prior_rmsd=(0.1,)))
    found = refine(case, given, strategy="rigid-local", settings=strict)
    assert torch.equal(found.amplitudes, given.amplitudes.float().double())
    drawn = refine(case, given, settings=strict)
    assert float(drawn.amplitudes.abs().mean()) < 0.5 * float(given.amplitudes.abs().mean())


def test_given_conformations_beyond_the_search_are_not_out_of_range(case):
    given = give(case, degrees=3, bend=0)
    narrow = replace(SETTINGS, amplitude_range=0.5, shift_range=0.5)
    statuses = refine(case, given, settings=narrow).status
    assert float(given.amplitudes.abs().max()) > 2 * case.molecule.scales.amplitude
    assert Status.OUT_OF_RANGE not in statuses
    assert statuses.count(Status.CONVERGED) >= 13


def test_what_is_held_has_no_error_bar_and_narrows_those_of_the_rest(case):
    given = give(case, degrees=0, bend=0, shift=0)
    expected = replace(SETTINGS, likelihood=LikelihoodSettings(error_bars="expected"))
    by_pose = refine(case, given, strategy="conformation", settings=expected).standard_deviations
    by_amplitudes = refine(case, given, strategy="rigid-local", settings=expected).standard_deviations
    ideal = refine(case, given, settings=expected)
    assert bool(by_pose[:, POSE].isnan().all())
    assert bool(by_amplitudes[:, MODES].isnan().all())
    assert bool((by_pose[:, MODES] < 1.05 * ideal.standard_deviations[:, MODES]).all())
    assert bool((by_amplitudes[:, POSE] < 1.05 * ideal.standard_deviations[:, POSE]).all())
    assert float((by_pose[:, MODES] / ideal.standard_deviations[:, MODES]).mean()) < 0.95


def test_the_covariance_given_what_is_held_is_the_inverse_of_the_rest(bright):
    projector = bright.molecule.make_projector()
    free = torch.tensor([True, False, True, True, True, False, True, True])
    held = HeldProjector(projector, free=free)
    curvature = evaluate(bright.observe(), projector, bright.truth).curvature
    found = invert_fisher(evaluate(bright.observe(), held, bright.truth).curvature, held=(1, 5))
    kept = torch.cat((free, torch.tensor([True]))).nonzero()[:, 0]
    expected = torch.linalg.inv(curvature.double()[:, kept][:, :, kept])[:, :-1, :-1]
    rows = free.nonzero()[:, 0]
    torch.testing.assert_close(found[:, rows][:, :, rows], expected, rtol=1e-3, atol=1e-9)
    assert bool(found[:, ~free].isnan().all())
    assert bool(found[:, :, ~free].isnan().all())
