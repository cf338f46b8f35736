import pytest
import torch

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations, rotation_about_z
from deephemnma.imaging.synthesis import project_images
from deephemnma.network.construction import make_backbone
from deephemnma.network.polar import PolarNetwork
from deephemnma.network.preparation import normalize_images

NAMES = ("polar", "compact-resnet", "resnet34")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("box_size", [16, 32])
def test_features_have_the_promised_shape_and_depend_on_the_image(name, box_size, generator):
    backbone = make_backbone(name, box_size=box_size).eval()
    with torch.no_grad():
        features = backbone(torch.randn(3, 1, box_size, box_size, generator=generator))
    assert features.shape == (3, backbone.n_features, backbone.n_angles)
    assert features.isfinite().all()
    assert not torch.allclose(features[0], features[1])


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_the_same_features_alone_and_in_a_batch(name, generator):
    backbone = make_backbone(name, box_size=16).eval()
    images = torch.randn(5, 1, 16, 16, generator=generator)
    with torch.no_grad():
        together = backbone(images)
        alone = torch.cat([backbone(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name, generator):
    backbone = make_backbone(name, box_size=32)
    backbone(torch.randn(4, 1, 32, 32, generator=generator)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in backbone.parameters())


@pytest.mark.parametrize("steps", [1, 7])
def test_polar_features_move_on_as_the_particle_turns(problem, steps, generator):
    """The contract of `n_angles`: psi greater by k steps moves the features by k angles."""
    backbone = PolarNetwork(32).eval()
    first = make_random_rotations(4, generator=generator)
    angle = torch.tensor(2 * torch.pi * steps / backbone.n_angles, dtype=torch.float64)
    rotations = torch.cat((first, rotation_about_z(angle) @ first))
    images = _project(problem.model, problem.modes, rotations)
    with torch.no_grad():
        before, after = backbone(normalize_images(images).unsqueeze(1)).split(4)
    # The corners of the pixel grid turn with the image only nearly.
    assert (after - before.roll(steps, dims=-1)).std() < 0.05 * before.std()
    assert (after - before.roll(-steps, dims=-1)).std() > 0.2 * before.std()


def _project(model: GaussianModel, modes: Modes, rotations: torch.Tensor) -> torch.Tensor:
    poses = Poses(rotations, torch.zeros(len(rotations), 2, dtype=torch.float64))
    amplitudes = torch.zeros(len(rotations), modes.n_modes)
    return project_images(model, modes, poses, amplitudes, box_size=32, pixel_size=2.5)
