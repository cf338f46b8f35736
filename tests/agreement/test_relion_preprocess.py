"""Prepared images against those of relion_image_handler and relion_preprocess (3.1)."""

import shutil
import subprocess
from pathlib import Path

import mrcfile
import pandas as pd
import pytest
import starfile
import torch

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_frequencies
from deephemnma.io.particles import read_particles
from deephemnma.pipeline.prepare import run_prepare
from deephemnma.settings.stage.prepare import PrepareStage

PIXEL, COUNT, LEAST = 2.0, 6, 0.999

pytestmark = [
    pytest.mark.relion,
    pytest.mark.skipif(
        shutil.which("relion_preprocess") is None, reason="RELION is not installed (Debian: apt-get install relion)"
    ),
]


def make_images(box: int) -> torch.Tensor:
    """Return blobs off the centre, on a slope and in noise."""
    generator = torch.Generator().manual_seed(box)
    axis = torch.arange(box) - box // 2
    places = 12 * torch.rand(COUNT, 5, 2, generator=generator) - 6
    squares = (axis - places[..., :1]).square()[..., None, :] + (axis - places[..., 1:]).square()[..., None]
    slope = 0.02 * (axis[:, None] - 2 * axis)
    return 10 + 20 * (-squares / 18).exp().sum(1) + slope + 3 * torch.randn(COUNT, box, box, generator=generator)


@pytest.fixture(params=[64, 65], ids=["even", "odd"])
def folder(request, tmp_path) -> Path:
    """Folder with images of an even or odd box, as a stack and its star file."""
    box = request.param
    with mrcfile.new(tmp_path / "s.mrcs") as stack:
        stack.set_data(make_images(box).numpy())
        stack.set_image_stack()
        stack.voxel_size = PIXEL
    table = pd.DataFrame({"rlnImageName": [f"{n:06d}@s.mrcs" for n in range(1, COUNT + 1)], "rlnOpticsGroup": 1})
    group = {"rlnOpticsGroup": 1, "rlnImagePixelSize": PIXEL, "rlnImageSize": box, "rlnImageDimensionality": 2}
    starfile.write({"optics": pd.DataFrame([group]), "particles": table}, tmp_path / "s.star")
    return tmp_path


def get_box(folder: Path) -> int:
    with mrcfile.open(folder / "s.mrcs", header_only=True) as stack:
        return int(stack.header.nx)


def run_relion(folder: Path, *command: str) -> torch.Tensor:
    subprocess.run([*command], cwd=folder, check=True, capture_output=True, timeout=120)
    with mrcfile.open(folder / "o.mrcs", permissive=True) as stack:
        return torch.from_numpy(stack.data.astype("float32"))


def handle(folder: Path, *options: str) -> torch.Tensor:
    return run_relion(
        folder, "relion_image_handler", "--i", "s.mrcs", "--o", "o.mrcs", "--angpix", f"{PIXEL}", *options
    )


def preprocess(folder: Path, *options: str) -> torch.Tensor:
    return run_relion(folder, "relion_preprocess", "--operate_on", "s.mrcs", "--operate_out", "o.mrcs", *options)


def prepare(folder: Path, **options: object) -> torch.Tensor:
    settings = PrepareStage(folder / "s.star", **({"normalize": False} | options))
    return read_particles(run_prepare(settings, output=folder / "ours") / "particles.star")[torch.arange(COUNT)]


def keep_inside(images: torch.Tensor, *, shift: float = 0.0) -> torch.Tensor:
    """Return images without what is at Nyquist, moved by `shift` pixels along both axes."""
    box = images.shape[-1]
    frequencies = make_frequencies(box, 1.0)
    phases = torch.exp(-2j * torch.pi * shift * frequencies.sum(-1))
    inside = (frequencies.abs() < 0.5 - 1e-6).all(-1)
    return inverse_fourier_transform(fourier_transform(images) * phases * inside, box_size=box)


def compare(ours: torch.Tensor, theirs: torch.Tensor, *, what: str) -> None:
    """Check that the worst image agrees, and that grey values have one scale and level."""
    pairs = torch.stack((ours.flatten(1), theirs.flatten(1)), dim=1).double()
    worst = min(float(torch.corrcoef(pair)[0, 1]) for pair in pairs)
    difference = float((ours - theirs).abs().max())
    print(f"{what}: correlation {worst:.7f}, greatest difference {difference:.2e} of {float(theirs.std()):.3g}")
    assert worst >= LEAST
    assert difference < 0.01 * float(theirs.std())


@pytest.mark.parametrize("box", [32, 42])
def test_rescaled(folder, box) -> None:
    old = get_box(folder)
    theirs = handle(folder, "--rescale_angpix", f"{PIXEL * old / (box + 0.01)}")
    # RELION scales places about pixel 0, which leaves the centre of odd boxes off half the new box; ours stays there.
    shift = box // 2 - (old // 2) * box / old
    assert shift == pytest.approx(0, abs=0.5)
    theirs = keep_inside(theirs, shift=shift)
    compare(keep_inside(prepare(folder, box_size=box)), theirs, what=f"{old} -> {box} pixels, moved by {shift:.3f}")


def test_rescaled_and_cut(folder) -> None:
    old, small = get_box(folder), slice(4, 28)
    new_pixel = f"{PIXEL * old / 32.01}"
    theirs = handle(folder, "--rescale_angpix", new_pixel, "--new_box", "24")
    whole = handle(folder, "--rescale_angpix", new_pixel)
    assert torch.equal(theirs, whole[:, small, small])
    inside = keep_inside(whole, shift=16 - (old // 2) * 32 / old)[:, small, small]
    ours = prepare(folder, pixel_size=PIXEL * old / 32, box_size=24)
    compare(ours, inside, what=f"{old} pixels -> 24 of 32")


@pytest.mark.parametrize("box", [48, 47])
def test_cut(folder, box) -> None:
    compare(
        prepare(folder, pixel_size=PIXEL, box_size=box), handle(folder, "--new_box", f"{box}"), what=f"cut to {box}"
    )


@pytest.mark.parametrize("ramp", [True, False], ids=["ramp", "level"])
def test_normalised(folder, ramp) -> None:
    theirs = preprocess(folder, "--norm", "--bg_radius", "24", *([] if ramp else ["--no_ramp"]))
    ours = prepare(folder, normalize=True, ramp=ramp, radius=24 * PIXEL)
    compare(ours, theirs, what=f"normalised, ramp {ramp}")


def test_inverted(folder) -> None:
    compare(prepare(folder, invert_contrast=True), handle(folder, "--multiply_constant", "-1"), what="inverted")
    theirs = preprocess(folder, "--norm", "--bg_radius", "20", "--invert_contrast")
    ours = prepare(folder, invert_contrast=True, normalize=True, ramp=True, radius=20 * PIXEL)
    compare(ours, theirs, what="inverted and normalised")
