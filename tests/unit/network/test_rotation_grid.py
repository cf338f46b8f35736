import math

import torch

from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations, rotation_from_vector
from deephemnma.network.rotation_grid import RotationGrid


def test_every_rotation_has_a_cell_near_by(generator):
    grid = RotationGrid()
    rotations = make_random_rotations(500, generator=generator).float()
    trace = (rotations.flatten(1) @ grid.cells.T).amax(dim=1)
    angle = ((trace - 1) / 2).clamp(-1, 1).acos()
    assert grid.n_cells == 36 * 300
    assert math.degrees(angle.max()) < 14


def test_the_mean_of_the_targets_is_the_rotation_they_stand_for(generator):
    grid = RotationGrid()
    rotations = make_random_rotations(200, generator=generator).float()
    targets = grid.compute_targets(rotations)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(200))
    found, shares = grid.find_hypotheses(targets, 1)
    angles = compute_geodesic_angle(found[:, 0], rotations).rad2deg()
    assert angles.mean() < 0.8
    assert angles.max() < 2
    assert shares[:, 0].sum(dim=1).min() > 0.95


def test_two_peaks_give_two_hypotheses_in_order(generator):
    grid = RotationGrid()
    first = make_random_rotations(20, generator=generator).float()
    far = rotation_from_vector(torch.tensor([0.0, 2.5, 0.0])) @ first
    mixture = 0.7 * grid.compute_targets(first) + 0.3 * grid.compute_targets(far)
    found, shares = grid.find_hypotheses(mixture, 2)
    assert math.degrees(compute_geodesic_angle(found[:, 0], first).max()) < 2
    assert math.degrees(compute_geodesic_angle(found[:, 1], far).max()) < 2
    assert (shares[:, 0].sum(dim=1) > shares[:, 1].sum(dim=1)).all()


def test_sectors_of_the_in_plane_angle_share_all_probability(generator):
    grid = RotationGrid()
    probabilities = torch.rand(3, grid.n_cells, generator=generator)
    for n_angles in (1, 12, 36):
        weights = grid.compute_angle_weights(probabilities, n_angles)
        assert weights.shape == (3, n_angles)
        torch.testing.assert_close(weights.sum(dim=1), probabilities.sum(dim=1), rtol=1e-4, atol=0)
