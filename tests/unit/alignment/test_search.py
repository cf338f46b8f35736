"""From images to estimates without prior knowledge, scores, and the measurement of contrast and noise."""

import math
from dataclasses import replace

import pytest
import torch

from deephemnma.alignment.aligner import Aligner, align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.exhaustive_search import make_exhaustive_search, make_search_bank
from deephemnma.alignment.objective import evaluate
from deephemnma.alignment.observation import make_observations
from deephemnma.alignment.pilot import measure_formation
from deephemnma.alignment.score import compute_scores
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status
from deephemnma.core.fourier import make_frequencies
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import compute_geodesic_angle, rotation_from_vector
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.settings.estimate import EstimateSettings

SETTINGS = EstimateSettings(
    orientations=1000, amplitude_range=3.0, amplitude_spacing=3.0, shift_range=4.5, starts=12, batch_size=8
)


@pytest.fixture(scope="module")
def case(molecule):
    return molecule.make_case(16, snr=0.5, seed=40)


@pytest.fixture(scope="module")
def search(case) -> Aligner:
    molecule = case.molecule
    return make_search_aligner(molecule.model, molecule.modes, case.source, settings=SETTINGS, formation=case.formation)


@pytest.fixture(scope="module")
def found(search, case) -> Estimates:
    return align_images(search, case.source, torch.arange(16))


def angles(estimates: Estimates, truth: Poses) -> torch.Tensor:
    return compute_geodesic_angle(estimates.poses.rotations, truth.rotations).rad2deg()


# From no prior knowledge


def test_the_search_recovers_the_truth_from_nothing(found, case):
    good = torch.tensor([status is Status.CONVERGED for status in found.status])
    assert int(good.sum()) >= 14
    assert float(angles(found, case.poses)[good].max()) < 6
    assert float((found.poses.shifts - case.poses.shifts)[good].abs().max()) < 0.6
    scaled = (found.amplitudes - case.amplitudes)[good] / found.standard_deviations[good, :3]
    assert float(scaled.abs().max()) < 5
    assert found.names == case.source.names
    assert found.mode_numbers == (7, 8, 9)
    assert found.covariance.dtype == found.amplitudes.dtype == torch.float64


def test_estimates_are_the_same_in_other_batches(found, search, case):
    ids = torch.tensor([13, 0, 5])
    again = align_images(replace(search, batch_size=2), case.source, ids)
    torch.testing.assert_close(again.amplitudes, found.amplitudes[ids], atol=0.3, rtol=0)
    torch.testing.assert_close(again.score, found.score[ids], atol=0.02, rtol=0)
    assert again.names == tuple(found.names[row] for row in ids)


def test_a_bad_image_has_a_status_and_its_neighbours_do_not_notice(found, search, case):
    images = case.source.images.clone()
    images[2, 4, 5], images[3] = torch.nan, 1.0
    spoilt = align_images(search, type(case.source)(images, case.source.optics), torch.arange(8))
    assert spoilt.status[2:4] == (Status.BAD_IMAGE, Status.BAD_IMAGE)
    kept = torch.tensor([0, 1, 4, 5, 6, 7])
    assert [spoilt.status[row] for row in kept] == [found.status[row] for row in kept]
    torch.testing.assert_close(spoilt.amplitudes[kept], found.amplitudes[kept], atol=0.3, rtol=0)


def test_a_rigid_reference_has_only_poses(rigid_molecule):
    case = rigid_molecule.make_case(8, snr=0.5, seed=41)
    aligner = make_search_aligner(
        rigid_molecule.model, rigid_molecule.modes, case.source, settings=SETTINGS, formation=case.formation
    )
    found = align_images(aligner, case.source, torch.arange(8))
    assert found.amplitudes.shape == (8, 0)
    assert found.covariance.shape == (8, 5, 5)
    assert float(angles(found, case.poses).max()) < 4
    assert found.status.count(Status.CONVERGED) >= 7


# Scores


def test_right_fits_score_near_zero_and_wrong_ones_far_below(found, search, case):
    good = torch.tensor([status is Status.CONVERGED for status in found.status])
    assert float(found.score[good].min()) > -3.5
    level = search.levels[0]
    observed = case.observe().restrict(level.band)
    turned = rotation_from_vector(torch.tensor([math.pi, 0, 0])) @ case.truth.rotations
    wrong = replace(case.truth, rotations=turned)
    scores = [
        compute_scores(
            observed,
            level.projector,
            state,
            evaluate(observed, level.projector, state),
            formation=case.formation,
            outside=torch.zeros(16),
            share=torch.ones(16),
        )
        for state in (case.truth, wrong)
    ]
    assert float(scores[0].min()) > -4
    assert float(scores[1].max()) < -4


def test_an_image_of_nothing_is_junk(search, case):
    noise = case.formation.noise.draw(4, generator=torch.Generator().manual_seed(9))
    empty = type(case.source)(noise, case.source.optics.select(torch.arange(4)))
    assert set(align_images(search, empty, torch.arange(4)).status) == {Status.JUNK}


# Contrast and noise


def test_pilots_measure_contrast_and_noise(molecule):
    case = molecule.make_case(24, snr=0.5, seed=42, contrast=7.0)
    settings = replace(SETTINGS, orientations=600)
    found = measure_formation(molecule.model, molecule.modes, case.source, settings=settings)
    assert found.contrast == pytest.approx(7.0, rel=0.03)
    assert found.contrast_spread < 0.5
    whitened = make_observations(
        case.formation.noise.draw(24, generator=torch.Generator().manual_seed(3)),
        molecule.make_projector().band,
        optics=case.source.optics,
        noise=found.noise,
    )
    assert float(torch.view_as_real(whitened.data).var()) == pytest.approx(1.0, rel=0.06)
    assert float(found.noise.power.min()) > 0


def test_pilots_tell_noise_that_passed_through_the_ctf(molecule):
    """Half of the noise lies before the CTF: both parts are found, where the CTF varies within a shell's images."""
    case = molecule.make_case(32, snr=0.5, seed=43)
    power = case.formation.noise.power / 2
    noise = replace(case.formation.noise, power=power, structural=2 * power)
    clean = molecule.project(case)
    frequencies = make_frequencies(48, 1.8)
    drawn = noise.draw(
        32,
        generator=torch.Generator().manual_seed(4),
        ctf=compute_ctf(case.source.optics, frequencies.double()).float(),
    )
    source = type(case.source)(clean + drawn, case.source.optics)
    found = measure_formation(
        molecule.model, molecule.modes, source, settings=replace(SETTINGS, orientations=600)
    ).noise
    inside = slice(8, 22)
    assert float((found.power / power)[inside].mean()) == pytest.approx(1.0, abs=0.15)
    assert float((found.structural / (2 * power))[inside].mean()) == pytest.approx(1.0, abs=0.15)


def test_a_set_without_a_usable_image_is_refused(molecule):
    case = molecule.make_case(3, snr=0.5)
    holes = type(case.source)(torch.full_like(case.source.images, torch.nan), case.source.optics)
    settings = replace(SETTINGS, orientations=20, starts=2)
    with pytest.raises(InputError, match="None of the 3 pilot images could be used"):
        measure_formation(molecule.model, molecule.modes, holes, settings=settings)


def test_the_bank_is_never_smaller_than_its_starts(molecule):
    settings = replace(SETTINGS, orientations=4, amplitude_range=0.0)
    projector = molecule.make_projector(12.0)
    bank = make_search_bank(projector, scales=molecule.scales, settings=settings)
    strategy = make_exhaustive_search(bank, projector, starts=50, scales=molecule.scales, settings=settings)
    assert strategy.starts == 4
