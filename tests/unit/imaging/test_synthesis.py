"""Clean images: scale, centre, CTF."""

import math

import torch

from deephemnma.core.fourier import fourier_transform
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.band import make_band
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.synthesis import project_images

BOX, PIXEL, WIDTH = 32, 2.0, 2.5


def make_case(count: int = 3) -> tuple[GaussianModel, Modes, Poses, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    positions = 16 * torch.rand(20, 3, generator=generator, dtype=torch.float64) - 8
    weights = 1 + torch.rand(20, generator=generator, dtype=torch.float64)
    model = GaussianModel(positions, weights, torch.full_like(weights, WIDTH), torch.zeros(3, dtype=torch.float64))
    vectors = torch.nn.functional.normalize(torch.randn(1, 60, generator=generator, dtype=torch.float64), dim=1)
    modes = Modes(vectors.reshape(1, 20, 3), torch.ones(1), (7,))
    shifts = 3 * torch.randn(count, 2, generator=generator, dtype=torch.float64)
    amplitudes = 10 * torch.randn(count, 1, generator=generator, dtype=torch.float64)
    return model, modes, Poses(make_random_rotations(count, generator=generator), shifts), amplitudes


def make_optics(count: int = 3) -> Optics:
    ones = torch.ones(count, dtype=torch.float64)
    angle = torch.linspace(0, 2, count, dtype=torch.float64)
    return Optics(200 * ones, 2 * ones, 0.1 * ones, 9000 * ones, 6000 * ones, angle, 0.5 * ones)


def sum_gaussians(model: GaussianModel, modes: Modes, poses: Poses, amplitudes: torch.Tensor) -> torch.Tensor:
    """Return images as sums of Gaussians in real space, mean zero."""
    sites = modes.displace(model.positions, amplitudes)
    points = (sites @ poses.rotations.mT)[..., :2] - poses.shifts[:, None]
    axis = (torch.arange(BOX, dtype=torch.float64) - BOX // 2) * PIXEL
    profile = (-(axis - points[..., None]).square() / (2 * WIDTH**2)).exp() * PIXEL / math.sqrt(2 * math.pi) / WIDTH
    images = torch.einsum("s,isx,isy->iyx", model.weights, profile[:, :, 0], profile[:, :, 1])
    return images - images.mean((1, 2), keepdim=True)


def test_images_are_sums_of_gaussians():
    case = make_case()
    found, wanted = project_images(*case, box_size=BOX, pixel_size=PIXEL), sum_gaussians(*case)
    torch.testing.assert_close(found.double(), wanted, atol=3e-3 * float(wanted.max()), rtol=0)
    assert found.dtype == torch.float32


def test_images_pass_through_their_own_ctf():
    case, optics = make_case(), make_optics()
    band = make_band(BOX, PIXEL)
    plain = project_images(*case, box_size=BOX, pixel_size=PIXEL)
    seen = project_images(*case, box_size=BOX, pixel_size=PIXEL, optics=optics)
    wanted = band.extract(fourier_transform(plain)) * compute_ctf(optics.to("cpu"), band.frequencies)
    torch.testing.assert_close(band.extract(fourier_transform(seen)), wanted, atol=1e-4, rtol=1e-4)


def test_images_are_limited_to_the_disc():
    transforms = fourier_transform(project_images(*make_case(), box_size=BOX, pixel_size=PIXEL))
    band = make_band(BOX, PIXEL)
    rest = transforms - band.embed(band.extract(transforms))
    assert float(rest.abs().max()) < 1e-4 * float(transforms.abs().max())
