import torch

from deephemnma.core.fourier import fourier_transform
from deephemnma.core.particle import Poses
from deephemnma.imaging.synthesis import project_images
from deephemnma.network.label import Labels, make_labels
from deephemnma.network.resampling import sample_images, turn_and_move


def test_values_at_pixels_are_those_of_the_pixels(problem):
    images = _project(problem, problem.estimates.poses)
    axis = torch.arange(32.0) - 16
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack((x, y), dim=-1).expand(len(images), -1, -1, -1)
    torch.testing.assert_close(sample_images(fourier_transform(images), points), images, rtol=0, atol=1e-4)


def test_a_turned_and_moved_image_is_the_projection_at_its_labels(problem, generator):
    """The labels follow the image exactly: otherwise augmentation teaches errors."""
    rows = torch.arange(10)
    labels = make_labels(problem.estimates, rows)
    images = _project(problem, problem.estimates.poses.select(rows), problem.estimates.amplitudes[rows])
    angles = 2 * torch.pi * torch.rand(10, generator=generator)
    moves = 3 * torch.randn(10, 2, generator=generator)
    turned, new = turn_and_move(images, labels, angles=angles, moves=moves, pixel_size=2.0)
    wanted = _project(problem, Poses(new.rotations.double(), new.shifts.double()), new.amplitudes.double())
    assert _correlate(turned, wanted).min() > 0.998
    unmoved = _project(problem, Poses(new.rotations.double(), labels.shifts.double()), new.amplitudes.double())
    assert _correlate(turned, unmoved).min() < 0.95


def test_no_turn_and_no_move_change_nothing(problem):
    labels = make_labels(problem.estimates, torch.arange(3))
    images = _project(problem, problem.estimates.poses.select(torch.arange(3)))
    same, new = turn_and_move(images, labels, angles=torch.zeros(3), moves=torch.zeros(3, 2), pixel_size=2.0)
    torch.testing.assert_close(same, images, rtol=0, atol=1e-4)
    assert isinstance(new, Labels)
    torch.testing.assert_close(new.shifts, labels.shifts)


def _project(problem, poses, amplitudes=None):
    if amplitudes is None:
        amplitudes = torch.zeros(len(poses), 2)
    return project_images(problem.model, problem.modes, poses, amplitudes, box_size=32, pixel_size=2.0)


def _correlate(first, second):
    first, second = (values.flatten(1) - values.mean(dim=(1, 2))[:, None] for values in (first, second))
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))
