"""What an image's status says: facts about molecules and images whose answer is known."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deephemnma.alignment.aligner import Aligner, align_images, align_with_alternatives
from deephemnma.alignment.held import HeldProjector
from deephemnma.alignment.levenberg import Fit, fit
from deephemnma.alignment.objective import Evaluation
from deephemnma.alignment.prior import make_prior
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.alignment.schedule import Level
from deephemnma.alignment.state import State, concatenate_states
from deephemnma.alignment.status import Findings, SearchRange, compute_evidence, name_statuses
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.estimates import Status, make_estimates
from deephemnma.core.model import Modes
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import compute_geodesic_angle, rotation_from_vector
from deephemnma.imaging.band import make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.synthesis import project_images
from deephemnma.io.structure import read_structure
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.site import select_sites
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings

HALF_TURN = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))


class Given(SearchStrategy):
    """Proposes, image by image, what the test says."""

    def __init__(self, band, *guesses: State) -> None:
        self.band, self.starts, self._guesses = band, len(guesses), guesses

    def propose(self, observations, ids):
        every = concatenate_states(list(self._guesses))
        images = len(self._guesses[0])
        return every.select((ids[:, None] + images * torch.arange(self.starts)).flatten())


def make_aligner(case, *guesses: State, amplitude: float = math.inf, shift: float = 5.0) -> Aligner:
    """Make an aligner that starts from `guesses` and knows the formation; `amplitude` is in A RMSD."""
    molecule = case.molecule
    bands = [make_band(48, 1.8, resolution=resolution) for resolution in (12.0, 0.0)]
    levels = [Level(GaussianProjector(molecule.model, molecule.modes, band), kept=3, iterations=20) for band in bands]
    return Aligner(
        strategy=Given(bands[0], *guesses),
        levels=levels,
        judge=levels[0].projector,
        scales=molecule.scales,
        searched=SearchRange(min(amplitude, 100.0) * molecule.scales.amplitude, shift),
        formation=case.formation,
        mode_numbers=molecule.modes.numbers,
        reject_below=-4.0,
        batch_size=16,
    )


@pytest.fixture(scope="module")
def near_twofold(rigid_molecule):
    """A rigid molecule of two equal halves, but for a few sites: a half turn about z changes its images a little."""
    half = rigid_molecule.model.positions[::2]
    half = half - half.mean(0) + torch.tensor([14.0, 0.0, 0.0], dtype=half.dtype)
    positions = torch.cat((half, half @ HALF_TURN.to(half)))
    weights = torch.ones(len(positions), dtype=positions.dtype)
    weights[:4] = 1.5
    widths = rigid_molecule.model.widths[:1].expand(len(positions)).clone()
    model = replace(rigid_molecule.model, positions=positions, weights=weights, widths=widths)
    return replace(rigid_molecule, model=model, modes=make_still_modes(rigid_molecule.modes, len(positions)))


def make_still_modes(modes, sites: int):
    return replace(modes, vectors=torch.zeros(0, sites, 3, dtype=modes.vectors.dtype))


def turn_half(states: State) -> State:
    return replace(states, rotations=states.rotations @ HALF_TURN)


def test_a_molecule_of_two_like_halves_is_ambiguous_and_its_half_turn_kept(near_twofold):
    """The rival is the half turn about the molecule's own axis, found from starts that are a little off."""
    case = near_twofold.make_case(12, snr=0.05, seed=3)
    nudge = rotation_from_vector(torch.tensor([0.03, -0.02, 0.04]))
    near = replace(case.truth, rotations=nudge @ case.truth.rotations)
    aligner = make_aligner(case, near, turn_half(near))
    found, others = align_with_alternatives(aligner, case.source, torch.arange(12))
    ambiguous = [row for row, status in enumerate(found.status) if status is Status.AMBIGUOUS]
    assert len(ambiguous) >= 9
    assert others.names == tuple(found.names[row] for row in ambiguous)
    assert set(others.status) == {Status.AMBIGUOUS}
    turned = found.poses.rotations[ambiguous] @ HALF_TURN.double()
    assert float(compute_geodesic_angle(others.poses.rotations, turned).rad2deg().max()) < 10
    assert bool((others.score.isfinite() & others.covariance.isfinite().all(-1).all(-1)).all())


def test_with_enough_signal_the_halves_are_told_apart(near_twofold):
    case = near_twofold.make_case(6, snr=50.0, seed=4)
    found, others = align_with_alternatives(
        make_aligner(case, turn_half(case.truth), case.truth), case.source, torch.arange(6)
    )
    assert set(found.status) == {Status.CONVERGED}
    assert len(others) == 0
    assert float(compute_geodesic_angle(found.poses.rotations, case.poses.rotations).rad2deg().max()) < 3


def test_one_minimum_found_twice_is_not_ambiguous(molecule):
    case = molecule.make_case(6, snr=0.5, seed=5)
    nudge = rotation_from_vector(torch.tensor([0.02, 0.02, 0.0]))
    again = replace(case.truth, rotations=nudge @ case.truth.rotations)
    found, others = align_with_alternatives(make_aligner(case, case.truth, again), case.source, torch.arange(6))
    assert set(found.status) == {Status.CONVERGED}
    assert len(others) == 0


def test_a_conformation_beyond_the_range_is_found_and_said_to_be_there(molecule):
    """True amplitudes lie up to 3 A RMSD; the range ends where some are inside, some out."""
    case = molecule.make_case(12, snr=1.0, seed=6)
    aligner = make_aligner(case, case.truth, amplitude=1.5)
    found = align_images(aligner, case.source, torch.arange(12))
    edge = 1.5 * molecule.scales.amplitude
    beyond = (case.amplitudes.abs() - edge) / found.standard_deviations[:, :3]
    clear = (beyond.amax(1) > 6) | (beyond.amax(1) < 0)
    expected = [Status.OUT_OF_RANGE if row else Status.CONVERGED for row in (beyond.amax(1) > 6).tolist()]
    assert 3 <= sum(status is Status.OUT_OF_RANGE for status in expected) <= 11
    for row in clear.nonzero()[:, 0].tolist():
        assert found.status[row] is expected[row]
    error = (found.amplitudes - case.amplitudes) / found.standard_deviations[:, :3]
    assert float(error.abs().max()) < 5  # the answer is kept as it is


def test_a_shift_beyond_the_range_is_said_as_well(molecule):
    case = molecule.make_case(6, snr=1.0, seed=7)
    far = case.poses.shifts.norm(dim=1) > 2.5
    assert 0 < int(far.sum()) < 6
    found = align_images(make_aligner(case, case.truth, shift=2.0), case.source, torch.arange(6))
    assert all(found.status[row] is Status.OUT_OF_RANGE for row in far.nonzero()[:, 0].tolist())


def test_an_image_of_inverted_contrast_is_no_better_than_an_empty_one(molecule):
    case = molecule.make_case(4, snr=1.0, seed=8)
    inverted = type(case.source)(-case.source.images, case.source.optics)
    found = align_images(make_aligner(case, case.truth), inverted, torch.arange(4))
    assert set(found.status) <= {Status.NO_IMPROVEMENT, Status.JUNK}
    assert Status.NO_IMPROVEMENT in found.status


def test_scores_of_right_fits_are_about_standard_normal(molecule):
    case = molecule.make_case(48, snr=0.1, seed=9)
    found = align_images(make_aligner(case, case.truth), case.source, torch.arange(48))
    assert -0.9 < float(found.score.median()) < 0.6
    assert 0.6 < float(found.score.std()) < 1.5
    assert float((found.score > -4).double().mean()) > 0.97


def test_particles_have_evidence_and_noise_has_not(molecule):
    """The very same states, against images with and without the particle."""
    case = molecule.make_case(16, snr=0.2, seed=10)
    noise = case.formation.noise.draw(16, generator=torch.Generator().manual_seed(2))
    empty = type(case.source)(noise, case.source.optics)
    aligner = make_aligner(case, case.truth, amplitude=5.0)
    assert Status.JUNK not in align_images(aligner, case.source, torch.arange(16)).status
    assert set(align_images(aligner, empty, torch.arange(16)).status) <= {Status.JUNK, Status.NO_IMPROVEMENT}


def test_a_prior_as_wide_as_the_range_leaves_the_evidence_as_it_is(molecule):
    """As wide: its density at the reference is that of the range; one half as wide knows ln 2 more a mode."""
    poses, _ = molecule.draw_truth(8, seed=12)
    case = molecule.make_case(8, snr=2.0, seed=12)
    still = project_images(
        molecule.model, molecule.modes, poses, torch.zeros(8, 3), box_size=48, pixel_size=1.8, optics=case.source.optics
    )
    noise = case.formation.noise.draw(8, generator=torch.Generator().manual_seed(1))
    case = replace(case, amplitudes=torch.zeros(8, 3), source=type(case.source)(still + noise, case.source.optics))
    searched = SearchRange(amplitude=20 * molecule.scales.amplitude, shift=5.0)
    evidence = {}
    for narrower in (None, 1, 2):
        width = 40 / (2 * math.pi) ** 0.5 / (narrower or 1)
        prior = make_prior((width,), scales=molecule.scales, n_modes=3) if narrower else None
        observed = replace(case.observe(), prior=prior)
        found = fit(
            observed, molecule.make_projector(), case.truth, step_scale=molecule.scales.to_vector(3), iterations=20
        )
        gain = observed.data.abs().square().sum(1, dtype=torch.float64) / 2 - found.evaluation.cost
        evidence[narrower] = compute_evidence(found, gain, searched=searched, contrast=1.0, prior=prior)
    torch.testing.assert_close(evidence[1], evidence[None], atol=0.05, rtol=0)
    torch.testing.assert_close(evidence[2] - evidence[1], torch.full((8,), 3 * math.log(2)).double(), atol=0.05, rtol=0)


def test_evidence_is_the_likelihood_summed_over_the_range(molecule):
    """Amplitudes and orientation held: Laplace's method against a sum over a fine grid of shifts."""
    case = molecule.make_case(1, snr=0.3, seed=11)
    observed, held = case.observe(), tuple(range(6))
    projector = HeldProjector(molecule.make_projector(), free=torch.arange(8) > 5)
    found = fit(observed, projector, case.truth, step_scale=torch.ones(8), iterations=20)
    empty = observed.data.abs().square().sum(1, dtype=torch.float64) / 2
    laplace = compute_evidence(
        found,
        empty - found.evaluation.cost,
        searched=SearchRange(amplitude=200.0, shift=5.0),
        contrast=case.formation.contrast,
        held=held,
    )
    step = float(found.evaluation.curvature[0, 6, 6].rsqrt()) / 2
    moves = step * torch.cartesian_prod(torch.arange(-9.0, 10.0), torch.arange(-9.0, 10.0))
    states = found.state.select(torch.zeros(len(moves), dtype=torch.long))
    value = projector.project(states.rotations, states.shifts + moves, states.amplitudes) * observed.transfer
    energy = value.abs().square().sum(1).double()
    gain = (value.conj() * observed.data).real.sum(1).double().square() / (2 * energy)
    width = (2 * math.pi / energy).sqrt() / (2 * float(found.evaluation.contrast))  # of the contrast's own peak
    summed = (gain + width.log()).logsumexp(0) + math.log(step**2 / (math.pi * 5.0**2))
    assert float(laplace[0]) == pytest.approx(float(summed), abs=0.2)


def test_the_range_of_a_refinement_holds_what_is_given():
    poses = Poses(torch.eye(3).expand(2, 3, 3).double(), torch.tensor([[0.0, 1.0], [-9.0, 0.0]]).double())
    amplitudes = torch.tensor([[10.0, -300.0], [5.0, 20.0]]).double()
    initial = make_estimates(
        names=("a", "b"), poses=poses, amplitudes=amplitudes, mode_numbers=(7, 8), status=Status.GIVEN
    )
    assert SearchRange(200.0, 5.0).include(initial) == SearchRange(300.0, 9.0)
    assert SearchRange(400.0, 12.0).include(initial) == SearchRange(400.0, 12.0)


GRAVITY = (
    Status.BAD_IMAGE,
    Status.NO_IMPROVEMENT,
    Status.JUNK,
    Status.REJECTED,
    Status.NOT_CONVERGED,
    Status.AMBIGUOUS,
    Status.OUT_OF_RANGE,
)


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_the_gravest_sign_names_the_status(signs):
    table = torch.tensor(signs)
    bad, empty, junk, low, unfinished, rival, outside = table.unbind(1)
    named = name_statuses(make_findings(bad, empty, junk, low, unfinished, rival, outside), reject_below=-4.0)
    for row, status in zip(signs, named, strict=True):
        present = [name for name, sign in zip(GRAVITY, row, strict=True) if sign]
        assert status is (present[0] if present else Status.CONVERGED)


def make_findings(
    bad: Tensor, empty: Tensor, junk: Tensor, low: Tensor, unfinished: Tensor, rival: Tensor, outside: Tensor
) -> Findings:
    count = len(bad)
    state = State(torch.eye(3).expand(count, 3, 3), torch.zeros(count, 2), torch.zeros(count, 1))
    ones = torch.ones(count)
    evaluation = Evaluation(ones.double(), ones, torch.zeros(count, 7), torch.eye(7).expand(count, 7, 7))
    return Findings(
        fit=Fit(state, evaluation, ~unfinished, ones.double()),
        gain=torch.where(empty, 0.1, 30.0).double(),
        evidence=torch.where(junk, -5.0, 20.0).double(),
        score=torch.where(low, -6.0, 0.0),
        has_rival=rival,
        outside=outside,
        bad=bad,
    )


def test_a_refinement_that_is_stuck_says_so():
    no = torch.zeros(2, dtype=torch.bool)
    findings = make_findings(no, no, no, no, torch.tensor([True, True]), no, no)
    stuck = replace(findings, fit=replace(findings.fit, gain=torch.tensor([0.0, 3.0]).double()))
    assert name_statuses(stuck, reject_below=-4.0) == (Status.NO_IMPROVEMENT, Status.NOT_CONVERGED)


def test_at_high_signal_a_right_fit_of_many_atoms_is_not_rejected(molecule, adenylate_kinase_path):
    """The search sees beads, which are 4 % off; at SNR 100 that is far beyond the noise."""
    model = make_gaussian_model(select_sites(read_structure(adenylate_kinase_path), "heavy"))
    rigid = type(molecule)(model, Modes(torch.zeros(0, model.n_sites, 3), torch.zeros(0), ()))
    case = rigid.make_case(8, snr=100.0, seed=5)
    truth = make_estimates(
        names=case.source.names, poses=case.poses, amplitudes=case.amplitudes, mode_numbers=(), status=Status.GIVEN
    )
    aligner = make_refinement_aligner(
        model,
        rigid.modes,
        case.source,
        initial=truth,
        settings=EstimateSettings(),
        refinement=RefineSettings(candidates=8, starts=2),
        formation=case.formation,
    )
    assert aligner.levels[0].projector.n_sites < 0.5 * model.n_sites
    found = align_images(aligner, case.source, torch.arange(8))
    assert set(found.status) == {Status.CONVERGED}
    by_beads = align_images(replace(aligner, judge=aligner.levels[0].projector), case.source, torch.arange(8))
    assert float(by_beads.score.median()) < -6
