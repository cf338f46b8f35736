"""Prepared images are of one scale, centred and normal, whatever they were; nothing else of them changes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from deephemnma.alignment import pilot
from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import make_random_rotations, rotation_to_euler
from deephemnma.imaging.synthesis import project_images
from deephemnma.io.particles import read_particles
from deephemnma.io.stack.writer import StackWriter
from deephemnma.pipeline import prepare as stage
from deephemnma.pipeline import prepared_block, stack_blocks
from deephemnma.pipeline.formation import find_noise, read_noise
from deephemnma.pipeline.image_preparation import move_images
from deephemnma.pipeline.manifest import read_manifest
from deephemnma.pipeline.prepare import run_prepare
from deephemnma.pipeline.project import COMMANDS
from deephemnma.settings.build import make_settings
from deephemnma.settings.stage.prepare import PrepareStage

SCALES = ((48, 2.0), (60, 1.7), (35, 3.1))
"""Box (pixels) and pixel size (A) of the optics groups."""
TARGET = {"pixel_size": 3.4, "box_size": 28}


def make_model() -> tuple[GaussianModel, Modes]:
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(40, 3, generator=generator, dtype=torch.float64) * torch.tensor([6.0, 10.0, 5.0])
    positions -= positions.mean(0)
    ones = torch.ones(40, dtype=torch.float64)
    modes = Modes(torch.zeros(0, 40, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.float64), ())
    return GaussianModel(positions, ones, 4.0 * ones, torch.zeros(3, dtype=torch.float64)), modes


def make_optics(count: int) -> Optics:
    def fill(value: float) -> torch.Tensor:
        return torch.full((count,), value, dtype=torch.float64)

    defocus = torch.linspace(6000, 9000, count, dtype=torch.float64)
    return Optics(fill(300), fill(2.7), fill(0.1), defocus, defocus - 300, fill(0.5), fill(0))


def project(poses: Poses, box: int, pixel: float, optics: Optics | None = None) -> torch.Tensor:
    model, modes = make_model()
    none = torch.zeros(len(poses), 0)
    return project_images(model, modes, poses, none, box_size=box, pixel_size=pixel, optics=optics)


def write_particles(
    folder: Path, stacks: list[torch.Tensor], scales: tuple[tuple[int, float], ...], columns: dict, **optics: object
) -> Path:
    """Write a star file of RELION 3.1 with a stack and an optics group for each scale."""
    folder.mkdir(exist_ok=True)
    names, groups = [], []
    for number, (images, (box, pixel)) in enumerate(zip(stacks, scales, strict=True), start=1):
        with StackWriter(folder / f"{number}.mrcs", box_size=box, pixel_size=pixel, count=len(images)) as writer:
            writer.write(images)
        names += [f"{row:06d}@{number}.mrcs" for row in range(1, len(images) + 1)]
        groups.append({"rlnOpticsGroup": number, "rlnOpticsGroupName": f"g{number}"} | optics)
        groups[-1] |= {"rlnImagePixelSize": pixel, "rlnImageSize": box, "rlnImageDimensionality": 2}
        groups[-1] |= {"rlnVoltage": 300.0, "rlnSphericalAberration": 2.7, "rlnAmplitudeContrast": 0.1}
    numbers = np.repeat(np.arange(1, len(stacks) + 1), [len(images) for images in stacks])
    table = pd.DataFrame({"rlnImageName": names, "rlnOpticsGroup": numbers} | columns)
    table = table.sample(frac=1, random_state=0)  # the groups of a file may come mixed
    starfile.write({"optics": pd.DataFrame(groups), "particles": table}, folder / "particles.star")
    return folder / "particles.star"


def describe_poses(poses: Poses) -> dict[str, np.ndarray]:
    euler = rotation_to_euler(poses.rotations).rad2deg().numpy()
    columns = dict(zip(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"), euler.T, strict=True))
    return columns | {f"rlnOrigin{axis}Angst": poses.shifts[:, k].numpy() for k, axis in enumerate("XY")}


def describe_optics(optics: Optics) -> dict[str, np.ndarray]:
    angle = optics.defocus_angle.rad2deg().numpy()
    defocus = {"rlnDefocusU": optics.defocus_u.numpy(), "rlnDefocusV": optics.defocus_v.numpy()}
    return defocus | {"rlnDefocusAngle": angle, "rlnPhaseShift": optics.phase_shift.numpy()}


@pytest.fixture(scope="module")
def make_mixed(tmp_path_factory) -> Callable[..., Path]:
    """Make particles of three scales and known poses without noise, five of each."""

    def make(*, ctf: bool = False, noise: float = 0.0) -> Path:
        generator = torch.Generator().manual_seed(1)
        rotations = make_random_rotations(15, generator=generator)
        shifts = 16 * torch.rand(15, 2, generator=generator, dtype=torch.float64) - 8
        poses, optics = Poses(rotations, shifts), make_optics(15)
        parts = torch.arange(15).split(5)
        stacks = [
            project(poses.select(rows), *scale, optics.select(rows).to("cpu") if ctf else None)
            for rows, scale in zip(parts, SCALES, strict=True)
        ]
        stacks = [images + noise * torch.randn(images.shape, generator=generator) for images in stacks]
        columns = describe_poses(poses) | (describe_optics(optics) if ctf else {})
        columns["rlnCoordinateX"] = np.arange(15) + 0.5
        return write_particles(tmp_path_factory.mktemp("mixed"), stacks, SCALES, columns)

    return make


def prepare(particles: Path, output: Path, **options: object) -> Path:
    return run_prepare(PrepareStage(particles, **options), output=output)


def read_all(folder: Path) -> tuple:
    particles = read_particles(folder / "particles.star")
    return particles, particles[torch.arange(len(particles))]


def correlate(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    pairs = torch.stack((first.flatten(1), second.flatten(1)), dim=1).double()
    return torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs])


def test_groups_of_several_scales_come_to_one(make_mixed, tmp_path) -> None:
    star = make_mixed(ctf=True)
    folder = prepare(star, tmp_path / "p", normalize=False, **TARGET)
    particles, images = read_all(folder)
    assert (particles.box_size, particles.pixel_size, len(particles)) == (28, 3.4, 15)
    # Grey values keep their scale, and a Gaussian's sum over pixels falls with their area.
    ratio = torch.tensor([SCALES[group][1] for group in particles.optics.group]) / 3.4
    wanted = project(particles.poses, 28, 3.4, particles.optics.to("cpu")) * ratio[:, None, None] ** 2
    assert correlate(images, wanted).min() > 0.995
    assert float((images * wanted).sum() / wanted.square().sum()) == pytest.approx(1, abs=0.02)
    old = starfile.read(star)["particles"]
    assert particles.table["rlnImageOriginalName"].tolist() == old["rlnImageName"].tolist()
    for name in ("rlnCoordinateX", "rlnAngleRot", "rlnOriginXAngst", "rlnDefocusU", "rlnOpticsGroup"):
        np.testing.assert_allclose(particles.table[name].astype(float), old[name], atol=1e-5)
    assert read_manifest(folder).summary["groups"] == 3


@pytest.mark.parametrize(
    ("options", "grid"),
    [
        ({}, (30, 3.1)),
        ({"pixel_size": 4.0}, (24, 4.0)),
        ({"box_size": 24}, (24, 4.0)),
        ({"box_size": 20, "pixel_size": 3.1}, (20, 3.1)),
    ],
)
def test_defaults_are_the_coarsest_pixel_and_the_smallest_field_of_view(make_mixed, tmp_path, options, grid) -> None:
    particles, _ = read_all(prepare(make_mixed(), tmp_path / "p", **options))
    assert (particles.box_size, particles.pixel_size) == pytest.approx(grid)


def test_one_scale_stays_as_it_is(tmp_path, generator) -> None:
    images = torch.randn(3, 33, 33, generator=generator)
    star = write_particles(tmp_path / "in", [images], ((33, 1.3),), {})
    particles, found = read_all(prepare(star, tmp_path / "p", normalize=False))
    order = [int(name[:6]) - 1 for name in particles.table["rlnImageOriginalName"]]
    assert torch.equal(found, images[order])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pixel_size": 3.1, "box_size": 40}, "a field of view of 124.0 A is more than their 96.0 A; give .* of 30"),
        ({"pixel_size": 2.0}, "5 images are of 35 pixels of 3.1 A: finer pixels would hold nothing new.*-size 3.1"),
        ({"pixel_size": 30.0}, "fewer than 16 pixels"),
        ({"radius": 100.0}, "--radius 100 A leaves no background in a box of 93.0 A"),
        ({"phase_flip": True}, "have no CTF"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make_mixed, tmp_path, options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        prepare(make_mixed(), tmp_path / "p", **options)


def test_recentred_particles_are_where_their_poses_say(make_mixed, tmp_path) -> None:
    star = make_mixed()
    particles, images = read_all(prepare(star, tmp_path / "p", recenter=True, normalize=False, **TARGET))
    old = read_old_shifts(star)
    pixels = np.array([SCALES[group - 1][1] for group in particles.table["rlnOpticsGroup"].astype(int)])[:, None]
    assert (particles.poses.shifts.abs().numpy() <= pixels / 2 + 1e-6).all()
    moves = particles.table[["deephemnmaRecenterXAngst", "deephemnmaRecenterYAngst"]].to_numpy(float)
    np.testing.assert_allclose(particles.poses.shifts.numpy() + moves, old, atol=1e-5)
    np.testing.assert_allclose(moves / pixels, np.round(moves / pixels), atol=1e-6)
    assert correlate(images, project(particles.poses, 28, 3.4)).min() > 0.999
    axis = torch.arange(28) - 14.0
    mass = images - images[:, :1, :1]
    middle = torch.stack([(mass * axis).sum((1, 2)), (mass * axis[:, None]).sum((1, 2))], dim=1)
    middle /= mass.sum((1, 2))[:, None]
    torch.testing.assert_close(middle, (-particles.poses.shifts / 3.4).float(), atol=0.05, rtol=0)
    again, _ = read_all(prepare(tmp_path / "p", tmp_path / "q"))
    assert "deephemnmaRecenterXAngst" not in again.table.columns  # as its original names are those of the first


def read_old_shifts(star: Path) -> np.ndarray:
    return starfile.read(star)["particles"][["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy()


def test_pixels_that_leave_come_in_on_the_other_side(generator) -> None:
    images = torch.randn(2, 5, 5, generator=generator)
    moved = move_images(images, torch.tensor([[1, -2], [0, 0]]))
    assert torch.equal(moved[0, 0, 1:], images[0, 2, :4])
    assert torch.equal(moved[0, :, 0].sort().values, images[0, :, 4].sort().values)
    assert torch.equal(moved[1], images[1])


def test_recentring_needs_shifts(tmp_path, generator) -> None:
    star = write_particles(tmp_path / "in", [torch.randn(2, 20, 20, generator=generator)], ((20, 1.3),), {})
    with pytest.raises(InputError, match=r"has none \(rlnOriginXAngst\): give a file with poses"):
        prepare(star, tmp_path / "p", recenter=True)


def test_flipped_images_are_those_of_the_absolute_ctf(make_mixed, tmp_path) -> None:
    star = make_mixed(ctf=True)
    folder = prepare(star, tmp_path / "p", phase_flip=True, normalize=False, **TARGET)
    particles, images = read_all(folder)
    assert particles.optics.phase_flipped
    wanted = project(particles.poses, 28, 3.4, particles.optics.to("cpu"))
    assert correlate(images, wanted).min() > 0.98
    with pytest.raises(InputError, match="phase-flipped already"):
        prepare(folder, tmp_path / "q", phase_flip=True)
    text = star.read_text()
    assert "rlnPhaseShift" in text
    star.write_text(text.replace("rlnPhaseShift", "rlnCtfDataArePhaseFlipped"))  # a particle's own column, all 0
    again, flipped = read_all(prepare(star, tmp_path / "r", phase_flip=True, normalize=False, **TARGET))
    assert again.optics.phase_flipped
    assert torch.equal(flipped, images)


def test_backgrounds_are_normal_and_without_a_slope(make_mixed, tmp_path) -> None:
    star = make_mixed(noise=1.0)
    options = {"radius": 40.0, "ramp": True} | TARGET
    _, images = read_all(prepare(star, tmp_path / "p", **options))
    axis = (torch.arange(28) - 14) * 3.4
    outside = torch.hypot(axis[:, None], axis[None]) > 40
    assert images[:, outside].mean(1).abs().max() < 1e-4
    assert (images[:, outside].std(1, correction=0) - 1).abs().max() < 1e-4
    assert (images * axis)[:, outside].mean(1).abs().max() < 1e-2
    _, inverted = read_all(prepare(star, tmp_path / "q", invert_contrast=True, **options))
    assert torch.equal(inverted, -images)
    assert read_manifest(tmp_path / "p").summary["contrast"].startswith("protein is white")
    assert read_manifest(tmp_path / "q").summary["contrast"].startswith("protein is dark")


def test_half_precision_is_half_the_size_and_the_same_image(make_mixed, tmp_path) -> None:
    star = make_mixed(noise=5.0)
    _, whole = read_all(prepare(star, tmp_path / "p", **TARGET))
    _, half = read_all(prepare(star, tmp_path / "q", float16=True, **TARGET))
    torch.testing.assert_close(half, whole, atol=2e-3, rtol=1e-3)
    with mrcfile.open(tmp_path / "q" / "particles.mrcs", permissive=True) as stack:
        assert (int(stack.header.mode), stack.data.dtype, stack.is_image_stack()) == (12, np.float16, True)
        assert float(stack.voxel_size.x) == pytest.approx(3.4)
    assert (tmp_path / "q" / "particles.mrcs").stat().st_size == 1024 + 15 * 28 * 28 * 2


@pytest.mark.parametrize("scale", [1e5, 1e-4])
def test_half_precision_that_would_lose_digits_is_refused(tmp_path, generator, scale) -> None:
    star = write_particles(tmp_path / "in", [scale * torch.randn(2, 20, 20, generator=generator)], ((20, 1.3),), {})
    with pytest.raises(InputError, match=r"Image 1 has grey values up to .* \(--normalize"):
        prepare(star, tmp_path / "p", float16=True, normalize=False)


@pytest.mark.parametrize("normalize", [True, False])
def test_bad_images_pass_through_alone(tmp_path, generator, normalize) -> None:
    images = 100 + torch.randn(6, 30, 30, generator=generator)
    spoilt = images.clone()
    spoilt[1, 3, 4], spoilt[4] = torch.nan, 7.3
    found = []
    for name, stack in (("good", images), ("bad", spoilt)):
        star = write_particles(tmp_path / name, [stack], ((30, 1.3),), {})
        options = {"pixel_size": 1.7, "ramp": normalize, "normalize": normalize}
        particles, made = read_all(prepare(star, tmp_path / f"{name}_p", **options))
        found.append(made[[particles.names.index(each) for each in sorted(particles.names, key=make_key(particles))]])
    whole, holed = found
    assert read_manifest(tmp_path / "bad_p").summary["bad images"] == 2
    assert torch.equal(holed[[0, 2, 3, 5]], whole[[0, 2, 3, 5]])
    assert holed[1].isnan().any()
    assert (holed[4] == (0 if normalize else torch.tensor(7.3))).all()


def make_key(particles) -> Callable[[str], str]:
    original = dict(zip(particles.names, particles.table["rlnImageOriginalName"], strict=True))
    return original.__getitem__


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    monkeypatch.setattr(stage, "LARGEST_BLOCK", 4)


def test_a_killed_run_repeats_only_what_is_missing(make_mixed, tmp_path, monkeypatch, small_blocks) -> None:
    star, made, fails = make_mixed(noise=5.0), [], True
    prepare_rows = prepared_block.prepare_images

    def count(images, *args, **kwargs):
        made.append(len(images))
        if fails and sum(made) > 9:
            raise KeyboardInterrupt
        return prepare_rows(images, *args, **kwargs)

    options = {"recenter": True, "float16": True, "workers": 1} | TARGET
    whole = prepare(star, tmp_path / "whole", **options)
    monkeypatch.setattr(prepared_block, "prepare_images", count)
    with pytest.raises(KeyboardInterrupt):
        prepare(star, tmp_path / "p", **options)
    assert not (tmp_path / "p" / "particles.mrcs").exists()
    assert len(list((tmp_path / "p" / "blocks").glob("*.json"))) == 2
    made.clear()
    fails = False
    prepare(star, tmp_path / "p", **options)
    assert sum(made) == 15 - 8
    for name in ("particles.mrcs", "noise.json"):
        assert (tmp_path / "p" / name).read_bytes() == (whole / name).read_bytes()
    assert not (tmp_path / "p" / "blocks").exists()
    assert read_manifest(tmp_path / "p").summary == read_manifest(whole).summary
    made.clear()
    (tmp_path / "p" / "particles.star").unlink()
    prepare(star, tmp_path / "p", **options)
    assert sum(made) == 15
    assert (tmp_path / "p" / "particles.mrcs").read_bytes() == (whole / "particles.mrcs").read_bytes()


def test_two_workers_make_the_same_bytes(make_mixed, tmp_path, small_blocks) -> None:
    star = make_mixed(ctf=True, noise=5.0)
    options = {"recenter": True, "phase_flip": True, "ramp": True} | TARGET
    one, two = (prepare(star, tmp_path / str(n), workers=n, **options) for n in (1, 2))
    assert (one / "particles.mrcs").read_bytes() == (two / "particles.mrcs").read_bytes()
    assert (one / "noise.json").read_bytes() == (two / "noise.json").read_bytes()


def test_a_disk_that_is_too_small_is_told_at_once(make_mixed, tmp_path, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(stack_blocks.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"need 0\.0 GB, but the disk of --output has 0\.0 GB free"):
        prepare(make_mixed(), tmp_path / "p")


def test_the_noise_of_the_groups_is_found_again(tmp_path, generator) -> None:
    stacks = [sd * torch.randn(40, 32, 32, generator=generator) for sd in (1.0, 2.0)]
    columns = describe_optics(make_optics(80))
    star = write_particles(tmp_path / "in", stacks, ((32, 2.0), (32, 2.0)), columns)
    folder = prepare(star, tmp_path / "p", normalize=False)
    particles, _ = read_all(folder)
    noise = find_noise(folder, particles)
    assert torch.equal(noise.power, read_noise(folder / "noise.json").power)
    power = noise.power * noise.group_scale
    assert power[:, 3:16].mean(1).tolist() == pytest.approx([1, 4], rel=0.1)
    assert find_noise(star, particles) is None
    other = read_particles(star, pixel_size=2.1)
    with pytest.raises(InputError, match="prepare them again"):
        find_noise(folder, other)
    assert (folder / "noise.png").stat().st_size > 10_000


@pytest.mark.parametrize("command", ["estimate", "refine"])
def test_the_noise_is_where_the_pilots_start(make_mixed, tmp_path, monkeypatch, adenylate_kinase_path, command) -> None:
    class SeenError(Exception):
        """Ends the stage where it is known with which noise it begins."""

    def see(*args, formation, **kwargs):
        raise SeenError(formation.noise)

    monkeypatch.setattr(pilot, "estimate_noise", lambda *args, **kwargs: pytest.fail("measured again"))
    monkeypatch.setattr(pilot, "make_search_aligner", see)
    folder = prepare(make_mixed(noise=1.0), tmp_path / "p", **TARGET)
    kind, run = COMMANDS[command]
    options = {"particles": folder, "reference": adenylate_kinase_path, "sites": "ca", "modes": "7-8"}
    if command == "refine":
        options["estimates"] = folder / "particles.star"
    settings = make_settings(kind, {n: str(v) for n, v in options.items()}, resolve_path=Path, where="test")
    with pytest.raises(SeenError) as seen:
        run(settings, output=tmp_path / command)
    assert torch.equal(seen.value.args[0].power, read_noise(folder / "noise.json").power)
