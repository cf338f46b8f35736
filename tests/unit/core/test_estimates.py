from dataclasses import replace

import pytest
import torch

from deephemnma.core.estimates import Contrasts, Estimates, Status, concatenate_estimates, make_estimates
from deephemnma.core.landscape import Landscape
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations


@pytest.fixture
def estimates(generator):
    n_images, n_modes = 6, 2
    root = torch.randn(n_images, 7, 7, generator=generator, dtype=torch.float64)
    return Estimates(
        names=tuple(f"{number:06d}@a.mrcs" for number in range(1, n_images + 1)),
        poses=Poses(
            make_random_rotations(n_images, generator=generator),
            torch.randn(n_images, 2, generator=generator, dtype=torch.float64),
        ),
        amplitudes=torch.randn(n_images, n_modes, generator=generator, dtype=torch.float64),
        covariance=root @ root.mT,
        score=torch.arange(n_images, dtype=torch.float64),
        status=(Status.CONVERGED, Status.REJECTED, Status.CONVERGED, Status.BAD_IMAGE, Status.GIVEN, Status.CONVERGED),
        mode_numbers=(7, 9),
    )


def test_select_takes_every_field_of_the_rows(estimates):
    chosen = estimates.select(torch.tensor([4, 1]))
    assert chosen.names == ("000005@a.mrcs", "000002@a.mrcs")
    assert chosen.status == (Status.GIVEN, Status.REJECTED)
    assert chosen.score.tolist() == [4, 1]
    assert torch.equal(chosen.poses.rotations, estimates.poses.rotations[[4, 1]])
    assert torch.equal(chosen.poses.shifts, estimates.poses.shifts[[4, 1]])
    assert torch.equal(chosen.amplitudes, estimates.amplitudes[[4, 1]])
    assert torch.equal(chosen.covariance, estimates.covariance[[4, 1]])
    assert chosen.mode_numbers == (7, 9)


def test_select_status(estimates):
    chosen = estimates.select_status(Status.CONVERGED, Status.GIVEN)
    assert chosen.score.tolist() == [0, 2, 4, 5]
    assert len(estimates.select_status(Status.PREDICTED)) == 0


def test_concatenation_undoes_a_split(estimates):
    parts = [estimates.select(torch.arange(2)), estimates.select(torch.arange(2, 6))]
    joined = concatenate_estimates(parts)
    assert joined.names == estimates.names
    assert joined.status == estimates.status
    for field in ("amplitudes", "covariance", "score"):
        assert torch.equal(getattr(joined, field), getattr(estimates, field))
    assert torch.equal(joined.poses.rotations, estimates.poses.rotations)


def test_contrasts_go_with_their_rows(estimates):
    values = torch.arange(6, dtype=torch.float64)
    full = replace(estimates, contrasts=Contrasts(values, values[:, None] ** 2 + torch.arange(8)))
    parts = [full.select(torch.tensor([4, 1])), full.select(torch.tensor([0]))]
    joined = concatenate_estimates(parts).contrasts
    assert joined.values.tolist() == [4, 1, 0]
    assert joined.standard_deviations.square().tolist() == pytest.approx([23, 8, 7])
    assert concatenate_estimates([parts[0], estimates]).contrasts is None


def test_standard_deviations_are_roots_of_the_diagonal(estimates):
    assert estimates.standard_deviations.shape == (6, 7)
    assert float(estimates.standard_deviations[2, 3] ** 2) == pytest.approx(float(estimates.covariance[2, 3, 3]))


def test_made_estimates_have_no_error_bars(estimates):
    made = make_estimates(
        names=estimates.names,
        poses=estimates.poses,
        amplitudes=estimates.amplitudes,
        mode_numbers=(7, 9),
        status=Status.PREDICTED,
    )
    assert made.covariance.shape == (6, 7, 7)
    assert made.covariance.isnan().all()
    assert made.score.isnan().all()
    assert set(made.status) == {Status.PREDICTED}
    assert len(made) == 6
    assert made.n_modes == 2


def test_a_landscape_goes_back_to_amplitudes():
    landscape = Landscape(
        names=("a", "b"),
        coordinates=torch.tensor([[1.0], [2.0]]),
        groups=torch.tensor([0, -1]),
        mean=torch.tensor([10.0, 0.0]),
        axes=torch.tensor([[0.6, 0.8]]),
        explained=torch.tensor([1.0]),
        mode_numbers=(7, 8),
    )
    torch.testing.assert_close(landscape.to_amplitudes(landscape.coordinates)[1], torch.tensor([11.2, 1.6]))
