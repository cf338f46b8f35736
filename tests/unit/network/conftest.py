"""A tiny molecule, its images and their truth."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.noise import make_white_noise
from deephemnma.imaging.synthesis import ImageFormation, project_images
from deephemnma.settings.train import TrainSettings

BOX, PIXEL = 32, 2.0


@dataclass(frozen=True)
class StoredImages(ImageSource):
    """Images in memory."""

    images: Tensor
    names: tuple[str, ...] = ()
    pixel_size: float = PIXEL
    optics: Optics | None = None

    @property
    def box_size(self) -> int:
        return self.images.shape[-1]

    def __getitem__(self, ids: Tensor) -> Tensor:
        return self.images[ids]


@dataclass(frozen=True)
class Problem:
    """What a training takes."""

    model: GaussianModel
    modes: Modes
    source: StoredImages
    estimates: Estimates
    formation: ImageFormation


def make_optics(count: int) -> Optics:
    values = (200.0, 2.0, 0.1, 6000.0, 5000.0, 0.4, 0.0)
    return Optics(*(torch.full((count,), value, dtype=torch.float64) for value in values))


@pytest.fixture(scope="session")
def problem() -> Problem:
    """40 images of 30 Gaussians with two modes; noise of a tenth of the signal's variance."""
    generator = torch.Generator().manual_seed(7)
    positions = 6 * torch.randn(30, 3, generator=generator)
    model = GaussianModel(
        positions - positions.mean(0), 1 + torch.rand(30, generator=generator), torch.full((30,), 2.0), torch.zeros(3)
    )
    vectors = torch.randn(2, 30, 3, generator=generator)
    vectors /= vectors.flatten(1).norm(dim=1)[:, None, None]
    modes = Modes(vectors, torch.ones(2), (7, 8))
    count = 40
    poses = Poses(
        make_random_rotations(count, generator=generator),
        2 * torch.randn(count, 2, generator=generator, dtype=torch.float64),
    )
    amplitudes = 10 + 5 * torch.randn(count, 2, generator=generator, dtype=torch.float64)
    names = tuple(f"{row + 1:06d}@tiny.mrcs" for row in range(count))
    truth = make_estimates(names=names, poses=poses, amplitudes=amplitudes, mode_numbers=(7, 8), status=Status.GIVEN)
    optics = make_optics(count)
    clean = project_images(model, modes, poses, amplitudes, box_size=BOX, pixel_size=PIXEL, optics=optics)
    variance = 0.1 * float(clean.var(dim=(1, 2)).mean())
    images = clean + math.sqrt(variance) * torch.randn(clean.shape, generator=generator)
    formation = ImageFormation(contrast=1.0, noise=make_white_noise(variance, box_size=BOX, pixel_size=PIXEL))
    return Problem(model, modes, StoredImages(images, names, optics=optics), truth, formation)


@pytest.fixture
def quick() -> TrainSettings:
    """20 steps of a small batch."""
    return replace(
        TrainSettings(), n_images=20 * 8, batch_size=8, network_box=16, n_validations=2, checkpoint_seconds=0.0
    )
