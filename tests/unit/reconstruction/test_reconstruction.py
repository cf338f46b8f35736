"""Reconstruction against projections written here once more: a direct sum over sites, no code shared."""

import math

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.metrics.fsc import compute_fsc
from deephemnma.metrics.symmetry import make_point_group
from deephemnma.reconstruction.back_projection import back_project
from deephemnma.reconstruction.half_map import HalfMaps, reconstruct_halves, split_names
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.reconstruct import ReconstructSettings

BOX, PIXEL, WIDTH = 32, 2.0, 1.6


class Stack(ImageSource):
    """Images in memory."""

    def __init__(self, images: torch.Tensor, optics: Optics | None, prefix: str = "") -> None:
        self.images, self._optics = images, optics
        self._names = tuple(f"{prefix}{number:06d}@a.mrcs" for number in range(len(images)))

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def box_size(self) -> int:
        return self.images.shape[-1]

    @property
    def pixel_size(self) -> float:
        return PIXEL

    @property
    def optics(self) -> Optics | None:
        return self._optics

    def __getitem__(self, ids):
        return self.images[ids]


def make_model(seed: int = 0, sites: int = 60) -> GaussianModel:
    generator = torch.Generator().manual_seed(seed)
    positions = 6 * torch.randn(sites, 3, generator=generator, dtype=torch.float64)
    positions = positions[positions.norm(dim=1) < 14]
    ones = torch.ones(len(positions), dtype=torch.float64)
    return GaussianModel(positions, ones, WIDTH * ones, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))


def make_poses(count: int, *, seed: int = 1, shift: float = 3.0) -> Poses:
    generator = torch.Generator().manual_seed(seed)
    shifts = (2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1) * shift
    return Poses(make_random_rotations(count, generator=generator), shifts)


def make_optics(count: int, *, phase_flipped: bool = False) -> Optics:
    generator = torch.Generator().manual_seed(2)
    spread = torch.rand(2, count, generator=generator, dtype=torch.float64)

    def constant(value: float) -> torch.Tensor:
        return torch.full((count,), value, dtype=torch.float64)

    return Optics(
        voltage_kv=constant(300.0),
        cs_mm=constant(2.7),
        amplitude_contrast=constant(0.1),
        defocus_u=3000 + 2000 * spread[0],
        defocus_v=2800 + 2000 * spread[0],
        defocus_angle=math.pi * spread[1],
        phase_shift=constant(0.0),
        phase_flipped=phase_flipped,
    )


def draw_images(model: GaussianModel, poses: Poses, optics: Optics | None = None, box: int = BOX) -> torch.Tensor:
    """Sum Gaussians in real space: the particle lies at minus the shift from pixel box // 2."""
    points = (model.positions @ poses.rotations.mT)[..., :2] - poses.shifts[:, None]
    axis = (torch.arange(box, dtype=torch.float64) - box // 2) * PIXEL
    profile = (-(axis - points[..., None]).square() / (2 * WIDTH**2)).exp() * PIXEL / math.sqrt(2 * math.pi) / WIDTH
    images = torch.einsum("isx,isy->iyx", profile[:, :, 0], profile[:, :, 1])
    if optics is not None:
        k = torch.fft.fftfreq(box, PIXEL, dtype=torch.float64)
        grid = torch.stack(torch.meshgrid(k, k, indexing="xy"), dim=-1)
        images = torch.fft.ifft2(torch.fft.fft2(images) * compute_ctf(optics, grid)).real
    return images.float()


def reconstruct(poses: Poses, optics: Optics | None = None, **options) -> HalfMaps:
    stack = Stack(draw_images(make_model(), poses, optics), optics)
    return reconstruct_halves(stack, poses, settings=ReconstructSettings(**options))


@pytest.fixture(scope="module")
def truth():
    return make_model_map(make_model(), box_size=BOX, voxel_size=PIXEL)


@pytest.fixture(scope="module")
def plain() -> HalfMaps:
    return reconstruct(make_poses(600))


def test_projections_give_the_map_back_with_shifts(plain, truth):
    correlation = compute_fsc(plain.full, truth).correlation
    assert float(correlation[:-2].min()) > 0.99
    assert float(plain.curve.correlation[:-2].min()) > 0.99


def test_grey_values_are_those_of_the_projections(plain, truth):
    inside = truth.values > 0.2 * truth.values.max()
    ratio = (plain.first.values[inside] / truth.values[inside]).median()
    assert float(ratio) == pytest.approx(1.0, abs=0.04)
    projected = draw_images(make_model(), Poses(torch.eye(3)[None].double(), torch.zeros(1, 2).double()))[0]
    torch.testing.assert_close(truth.values.sum(0), projected, atol=0.02 * float(projected.max()), rtol=0)


@pytest.mark.parametrize("phase_flipped", [False, True])
def test_projections_give_the_map_back_with_ctf_and_shifts(truth, phase_flipped):
    poses = make_poses(600)
    maps = reconstruct(poses, make_optics(600, phase_flipped=phase_flipped))
    assert float(compute_fsc(maps.full, truth).correlation[:-2].min()) > 0.98
    assert float(compute_fsc(maps.full, truth).correlation[:-2].mean()) > 0.99


def test_the_ctf_matters(truth):
    """Images with a CTF, inverted without, do not give the map: the test above can fail."""
    poses = make_poses(200)
    stack = Stack(draw_images(make_model(), poses, make_optics(200)), None)
    assert float(compute_fsc(reconstruct_halves(stack, poses).full, truth).correlation[:-2].mean()) < 0.8


def test_the_sign_of_the_shift_matters(truth):
    poses = make_poses(200)
    stack = Stack(draw_images(make_model(), poses), None)
    wrong = reconstruct_halves(stack, Poses(poses.rotations, -poses.shifts)).full
    assert float(compute_fsc(wrong, truth).correlation[8:-2].max()) < 0.3


def test_the_hand_is_right(plain, truth):
    mirror = make_model_map(make_model(), box_size=BOX, voxel_size=PIXEL, positions=make_model().positions * -1)
    assert float(compute_fsc(plain.full, mirror).correlation[6:-2].mean()) < 0.5


def test_an_odd_box_and_an_offset_of_the_background_do_no_harm():
    poses, model = make_poses(300), make_model()
    stack = Stack(draw_images(model, poses, box=33) + 10.0, None)
    full = reconstruct_halves(stack, poses).full
    correlation = compute_fsc(full, make_model_map(model, box_size=33, voxel_size=PIXEL)).correlation
    assert float(correlation[:-2].min()) > 0.98


def test_noise_shows_in_the_halves_and_the_full_map_is_regularised(truth):
    poses = make_poses(300)
    images = draw_images(make_model(), poses, make_optics(300))
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(5))
    stack = Stack(images + noise * (images.var() / 0.05).sqrt(), make_optics(300))
    maps = reconstruct_halves(stack, poses)
    curve = maps.curve.correlation
    assert float(curve[:2].min()) > 0.8
    assert float(curve[-4:].mean()) < 0.3
    power = [torch.fft.rfftn(each.values)[10:14, 10:14, 5:9].abs().square().mean() for each in (maps.full, maps.first)]
    assert float(power[0]) < 0.25 * float(power[1])
    full, half = (float(compute_fsc(each, truth).correlation.mean()) for each in (maps.full, maps.first))
    assert full > half


def test_blocks_and_order_make_no_difference(plain):
    poses = make_poses(600)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(3))
    stack = Stack(draw_images(make_model(), poses), None)
    shuffled = reconstruct_halves(stack, poses.select(order), ids=order, settings=ReconstructSettings(block_size=77))
    for one, other in zip(plain[:3], shuffled[:3], strict=True):
        torch.testing.assert_close(one.values, other.values, atol=1e-4 * float(one.values.max()), rtol=0)


def test_half_sets_hang_on_the_name_alone():
    names = tuple(f"{number:06d}@a.mrcs" for number in range(2000))
    second = split_names(names)
    assert float(second.double().mean()) == pytest.approx(0.5, abs=0.04)
    assert torch.equal(split_names(names[::-1]), second.flip(0))
    assert torch.equal(split_names(names[:100]), second[:100])


def test_back_projections_of_parts_add_up():
    poses, settings = make_poses(40), ReconstructSettings()
    stack = Stack(draw_images(make_model(), poses), None)
    ids = torch.arange(40)
    parts = [back_project(stack, poses.select(rows), ids=rows, settings=settings) for rows in ids.split(15)]
    whole = back_project(stack, poses, ids=ids, settings=settings)
    merged = parts[0] + parts[1] + parts[2]
    assert merged.n_images == 40
    torch.testing.assert_close(merged.cells, whole.cells, atol=1e-4, rtol=1e-4)


def test_symmetry_replaces_missing_views():
    """A D2 body of 40 images, their symmetric copies for free."""
    model = make_model(sites=20)
    operations = make_point_group("D2")
    positions = (model.positions @ operations.mT).flatten(0, 1)
    ones = torch.ones(len(positions), dtype=torch.float64)
    body = GaussianModel(positions, ones, WIDTH * ones, model.center)
    poses = make_poses(40)
    stack = Stack(draw_images(body, poses), None)
    wanted = make_model_map(body, box_size=BOX, voxel_size=PIXEL)
    means = [
        float(compute_fsc(reconstruct_halves(stack, poses, settings=settings).full, wanted).correlation[:-3].mean())
        for settings in (ReconstructSettings(), ReconstructSettings(symmetry="D2"))
    ]
    assert means[1] > 0.97
    assert means[1] > means[0]


def test_a_displaced_model_has_another_map_and_the_origin_is_in_the_frame_of_the_file(truth):
    model = make_model()
    moved = make_model_map(model, box_size=BOX, voxel_size=PIXEL, positions=model.positions + 2 * PIXEL)
    torch.testing.assert_close(moved.values, truth.values.roll((2, 2, 2), (0, 1, 2)), atol=1e-5, rtol=0)
    centre_voxel = truth.origin + torch.tensor([BOX // 2] * 3) * PIXEL
    torch.testing.assert_close(centre_voxel, model.center)


def test_the_model_map_is_not_aliased():
    """A site far narrower than a voxel keeps its weight, wherever it lies between voxels."""
    one = torch.ones(1, dtype=torch.float64)
    for offset in (0.0, 0.3, 0.9):
        site = GaussianModel(torch.full((1, 3), offset).double(), 5 * one, 0.1 * one, torch.zeros(3).double())
        density = make_model_map(site, box_size=16, voxel_size=PIXEL)
        assert float(density.values.sum()) == pytest.approx(5.0, rel=1e-4)
        axis = (torch.arange(16) - 8) * 2 * math.pi / 16
        phase = torch.angle((density.values.sum((0, 1)) * torch.exp(1j * axis)).sum())
        assert float(phase) == pytest.approx(offset / PIXEL * 2 * math.pi / 16, abs=1e-4)


def test_too_few_images_and_wrong_counts_are_refused():
    poses = make_poses(4)
    stack = Stack(draw_images(make_model(), poses), None)
    with pytest.raises(InputError, match="4 images and 3 poses"):
        reconstruct_halves(stack, poses.select(torch.arange(3)))
    with pytest.raises(InputError, match="too few"):
        reconstruct_halves(stack, poses.select(torch.arange(1)), ids=torch.arange(1))


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"padding": 0}, "--padding"),
        ({"weight_floor": 0.0}, "--weight-floor"),
        ({"min_images": 1}, "--min-images"),
        ({"block_size": 0}, "--block-size"),
    ],
)
def test_settings_name_the_option_that_is_wrong(options, option):
    with pytest.raises(InputError, match=option):
        ReconstructSettings(**options)
