"""Our images of a known map at known poses, pixel by pixel beside those of relion_project (RELION 3.1.3).

What is shown to agree, with its sign: rotation matrix of (rot, tilt, psi), origins, grey-value scale, centre of even
boxes, CTF with astigmatism, phase shift and amplitude contrast, optics groups, phase flipping. Of odd boxes RELION has
no one centre: relion_project puts it on pixel ``n // 2 + 1``, relion_refine at ``n / 2``, between two pixels, maps have
it at ``n // 2``, and relion_preprocess makes even boxes only. The package keeps ``n // 2`` for images and maps.
"""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
import torch
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_shell_indices
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import euler_to_rotation, rotation_to_euler
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.band import make_band
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.slice_projector import SliceProjector
from deephemnma.imaging.synthesis import project_images
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.particles import read_particles
from deephemnma.reconstruction.model_map import make_model_map

PIXEL, COUNT, SITES = 2.0, 12, 150

pytestmark = [
    pytest.mark.relion,
    pytest.mark.skipif(
        shutil.which("relion_project") is None, reason="RELION is not installed (Debian: apt-get install relion)"
    ),
]


@dataclass(frozen=True)
class Projections:
    """Images that relion_project made in `folder` (``out.star``), and what its star file says when we read it."""

    folder: Path
    density: DensityMap
    images: Tensor
    poses: Poses
    optics: Optics | None

    @property
    def box_size(self) -> int:
        return self.images.shape[-1]


def run(command: str, folder: Path) -> None:
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stderr[-500:]}"


def make_model() -> GaussianModel:
    """Gaussians without any symmetry, broad enough to fade before Nyquist."""
    generator = torch.Generator().manual_seed(1)
    positions = torch.randn(SITES, 3, generator=generator, dtype=torch.float64) * torch.tensor([9.0, 13.0, 6.0])
    positions -= positions.mean(0)
    weights = 0.5 + torch.rand(SITES, generator=generator, dtype=torch.float64)
    return GaussianModel(positions, weights, torch.full_like(weights, 2.5), torch.zeros(3, dtype=torch.float64))


def write_map(path: Path, density: DensityMap) -> None:
    with mrcfile.new(path) as file:
        file.set_data(density.values.numpy().astype(np.float32))
        file.voxel_size = PIXEL


def make_tables(box_size: int, count: int = COUNT) -> dict[str, pd.DataFrame]:
    """RELION's own columns, drawn here in degrees and A: nothing of ours takes part."""
    rng = np.random.default_rng(0)
    columns = {
        "rlnAngleRot": (-180, 180),
        "rlnAngleTilt": (15, 165),
        "rlnAnglePsi": (-180, 180),
        "rlnOriginXAngst": (4, 9),
        "rlnOriginYAngst": (-9, -4),
        "rlnDefocusU": (11000, 14000),
        "rlnDefocusV": (5000, 8000),
        "rlnDefocusAngle": (15, 35),
        "rlnPhaseShift": (20, 70),
    }
    table = pd.DataFrame({name: rng.uniform(*limits, count) for name, limits in columns.items()})
    table["rlnOpticsGroup"] = 1 + np.arange(count) % 2
    table["rlnImageName"] = [f"{row + 1:06d}@none.mrcs" for row in range(count)]
    optics = pd.DataFrame(
        {
            "rlnOpticsGroup": [1, 2],
            "rlnOpticsGroupName": ["one", "two"],
            "rlnVoltage": [300.0, 200.0],
            "rlnSphericalAberration": [2.7, 2.0],
            "rlnAmplitudeContrast": [0.1, 0.2],
            "rlnImagePixelSize": PIXEL,
            "rlnImageSize": box_size,
            "rlnImageDimensionality": 2,
        }
    )
    return {"optics": optics, "particles": table}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Callable[..., Projections]:
    """Run relion_project on a map of the model, once for each box size and options."""
    known: dict[tuple[int, str, int], Projections] = {}

    def make(box_size: int, options: str = "--ctf", count: int = COUNT) -> Projections:
        key = (box_size, options, count)
        if key not in known:
            folder = tmp_path_factory.mktemp("project")
            density = make_model_map(make_model(), box_size=box_size, voxel_size=PIXEL)
            write_map(folder / "map.mrc", density)
            starfile.write(make_tables(box_size, count), folder / "angles.star")
            run(f"relion_project --i map.mrc --o out --ang angles.star --angpix {PIXEL} --pad 2 {options}", folder)
            source = read_particles(folder / "out.star")
            optics = source.optics if "--ctf" in options else None
            known[key] = Projections(folder, density, source[torch.arange(count)], source.poses, optics)
        return known[key]

    return make


def slice_map(found: Projections, *, poses: Poses | None = None, optics: Optics | None = None) -> Tensor:
    """Our images of RELION's map at the poses and with the optics of its star file, or others."""
    poses, optics = poses or found.poses, optics or found.optics
    band = make_band(found.box_size, PIXEL)
    components = SliceProjector(found.density, band).project(
        poses.rotations.float(), poses.shifts.float(), torch.zeros(COUNT, 0)
    )
    if optics is not None:
        components = components * compute_ctf(optics.to("cpu"), band.frequencies)
    return inverse_fourier_transform(band.embed(components), box_size=found.box_size)


def project_gaussians(found: Projections) -> Tensor:
    model = make_model()
    rigid = Modes(torch.zeros(0, SITES, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.float64), ())
    return project_images(
        model, rigid, found.poses, torch.zeros(COUNT, 0), box_size=found.box_size, pixel_size=PIXEL, optics=found.optics
    )


def center(images: Tensor) -> Tensor:
    flat = images.flatten(1).double()
    return flat - flat.mean(1, keepdim=True)


def correlate(ours: Tensor, theirs: Tensor) -> Tensor:
    ours, theirs = center(ours), center(theirs)
    return (ours * theirs).sum(1) / (ours.norm(dim=1) * theirs.norm(dim=1))


def compare_scale(ours: Tensor, theirs: Tensor) -> Tensor:
    ours, theirs = center(ours), center(theirs)
    return (ours * theirs).sum(1) / ours.square().sum(1)


def correlate_shells(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the correlation of each shell of Fourier space but the outermost, over all images."""
    box_size = ours.shape[-1]
    shells = make_shell_indices(box_size)
    first, second = fourier_transform(ours), fourier_transform(theirs)
    values = []
    for shell in range(1, box_size // 2 - 1):
        a, b = first[:, shells == shell], second[:, shells == shell]
        values.append((a * b.conj()).real.sum() / (a.norm() * b.norm()))
    return torch.stack(values)


@pytest.mark.parametrize("options", ["--ctf", ""], ids=["ctf", "plain"])
@pytest.mark.parametrize("box_size", [64, 65])
def test_images_are_those_of_relion(project, box_size, options):
    found = project(box_size, options)
    # An odd box is moved from RELION's centre to ours.
    theirs = torch.roll(found.images, (-(box_size % 2),) * 2, dims=(-2, -1))
    slices, gaussians = slice_map(found), project_gaussians(found)
    assert float(correlate(slices, theirs).min()) > 0.99999
    assert float(correlate_shells(slices, theirs).min()) > 0.999
    assert float(correlate(gaussians, theirs).min()) > 0.9999
    for ours, tolerance in ((slices, 1e-3), (gaussians, 5e-3)):
        torch.testing.assert_close(compare_scale(ours, theirs), torch.ones(COUNT).double(), atol=tolerance, rtol=0)


WRONG_POSES = {
    "inverse rotation": lambda poses: replace(poses, rotations=poses.rotations.mT),
    "rot and psi exchanged": lambda poses: replace(
        poses, rotations=euler_to_rotation(rotation_to_euler(poses.rotations).flip(-1))
    ),
    "tilt of the other sign": lambda poses: replace(
        poses,
        rotations=euler_to_rotation(
            rotation_to_euler(poses.rotations) * torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
        ),
    ),
    "mirrored molecule": lambda poses: replace(
        poses, rotations=poses.rotations * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    ),
    "shift of the other sign": lambda poses: replace(poses, shifts=-poses.shifts),
    "x and y of the shift exchanged": lambda poses: replace(poses, shifts=poses.shifts.flip(-1)),
}


@pytest.mark.parametrize("name", WRONG_POSES)
def test_a_wrong_pose_would_show(project, name):
    """Where images agree every shell is above 0.999."""
    found = project(64)
    wrong = slice_map(found, poses=WRONG_POSES[name](found.poses))
    assert float(correlate_shells(wrong, found.images).mean()) < 0.4
    assert float(correlate(wrong, found.images).median()) < 0.97


WRONG_OPTICS = {
    "mirrored astigmatism": lambda optics: replace(optics, defocus_angle=-optics.defocus_angle),
    "astigmatism from y": lambda optics: replace(optics, defocus_angle=torch.pi / 2 - optics.defocus_angle),
    "U and V exchanged": lambda optics: replace(optics, defocus_u=optics.defocus_v, defocus_v=optics.defocus_u),
    "phase shift of the other sign": lambda optics: replace(optics, phase_shift=-optics.phase_shift),
    "amplitude contrast of the other sign": lambda optics: replace(
        optics, amplitude_contrast=-optics.amplitude_contrast
    ),
    "overfocus": lambda optics: replace(optics, defocus_u=-optics.defocus_u, defocus_v=-optics.defocus_v),
    "optics groups exchanged": lambda optics: replace(
        optics, voltage_kv=optics.voltage_kv.roll(1), amplitude_contrast=optics.amplitude_contrast.roll(1)
    ),
}


@pytest.mark.parametrize("name", WRONG_OPTICS)
def test_wrong_optics_would_show(project, name):
    found = project(64)
    wrong = slice_map(found, optics=WRONG_OPTICS[name](found.optics))
    # Amplitude contrast of 0.1 and 0.2 turns the phase by 11 and 23 degrees where its sign is wrong.
    assert float(correlate_shells(wrong, found.images).mean()) < (0.97 if name.startswith("amplitude") else 0.4)
    assert float(correlate(wrong, found.images).median()) < 0.99


def test_the_sign_of_the_ctf_would_show(project):
    found = project(64)
    assert float(correlate(-slice_map(found), found.images).max()) < -0.999


def extract_flipped(found: Projections, folder: Path) -> Tensor:
    """Let relion_preprocess flip the phases, taking every image for a micrograph with one particle in its middle."""
    (folder / "micrographs").mkdir()
    half = found.box_size // 2
    names = [f"micrographs/{row:02d}.mrc" for row in range(COUNT)]
    for name, image in zip(names, found.images, strict=True):
        with mrcfile.new(folder / name) as file:
            file.set_data(image.numpy())
            file.voxel_size = PIXEL
        picked = pd.DataFrame({"rlnCoordinateX": [half], "rlnCoordinateY": [half]})
        starfile.write(picked, folder / name.replace(".mrc", "_picked.star"))
    tables = make_tables(found.box_size)
    optics = tables["optics"].assign(rlnMicrographPixelSize=PIXEL, rlnMicrographOriginalPixelSize=PIXEL)
    kept = ["rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift", "rlnOpticsGroup"]
    micrographs = tables["particles"][kept].assign(rlnMicrographName=names)
    starfile.write({"optics": optics, "micrographs": micrographs}, folder / "micrographs.star")
    run(
        "relion_preprocess --i micrographs.star --coord_dir ./ --coord_suffix _picked.star --part_dir out/ "
        f"--part_star out.star --extract --extract_size {found.box_size} --phase_flip",
        folder,
    )
    stacks = [folder / "out" / name.replace(".mrc", ".mrcs") for name in names]
    return torch.stack([torch.from_numpy(mrcfile.read(stack)).squeeze() for stack in stacks])


def test_phase_flipped_images_are_those_of_relion(project, tmp_path):
    found = project(64)
    flipped = extract_flipped(found, tmp_path)
    assert float(correlate_shells(found.images, flipped).mean()) < 0.4
    ours = slice_map(found, optics=replace(found.optics, phase_flipped=True))
    assert float(correlate(ours, flipped).min()) > 0.99999
    assert float(correlate_shells(ours, flipped).min()) > 0.999


def test_the_star_file_that_we_write_means_the_same_to_relion(project, tmp_path):
    """The same images come of poses and optics that were never in a file of RELION's."""
    found = project(64)
    names = [f"{row + 1:06d}@none.mrcs" for row in range(COUNT)]
    table, optics_table = make_particle_table(
        names, pixel_size=PIXEL, box_size=64, poses=found.poses, optics=found.optics
    )
    write_particle_star(tmp_path / "ours.star", table=table, optics_table=optics_table)
    write_map(tmp_path / "map.mrc", found.density)
    run(f"relion_project --i map.mrc --o again --ang ours.star --angpix {PIXEL} --pad 2 --ctf", tmp_path)
    with mrcfile.open(tmp_path / "again.mrcs", permissive=True) as file:
        again = torch.from_numpy(file.data.copy())
    torch.testing.assert_close(again, found.images, atol=1e-4 * float(found.images.abs().max()), rtol=0)


def test_a_star_file_of_relion_30_means_the_same(project, tmp_path):
    """Origins in pixels, pixel size by magnification, microscope in every row: RELION and we read the same poses."""
    found = project(64)
    tables = make_tables(64)
    old = tables["particles"].merge(tables["optics"].drop(columns="rlnOpticsGroupName"), on="rlnOpticsGroup")
    for axis in "XY":
        old[f"rlnOrigin{axis}"] = old.pop(f"rlnOrigin{axis}Angst") / PIXEL
    old = old.drop(columns=["rlnOpticsGroup", "rlnImagePixelSize", "rlnImageSize", "rlnImageDimensionality"])
    # RELION converts optics groups by micrograph.
    old["rlnMicrographName"] = [f"{row % 2}.mrc" for row in range(COUNT)]
    old["rlnMagnification"], old["rlnDetectorPixelSize"] = 10000.0, PIXEL
    old["rlnImageName"] = [f"{row + 1:06d}@again.mrcs" for row in range(COUNT)]
    starfile.write(old, tmp_path / "old.star")
    write_map(tmp_path / "map.mrc", found.density)
    run(f"relion_project --i map.mrc --o again --ang old.star --angpix {PIXEL} --pad 2 --ctf", tmp_path)
    source = read_particles(tmp_path / "old.star")
    images = replace(found, images=source[torch.arange(COUNT)], poses=source.poses, optics=source.optics)
    assert float(correlate(slice_map(images), images.images).min()) > 0.99999


@pytest.mark.slow
def test_relion_has_no_one_centre_for_odd_boxes(project):
    """Images of relion_project, centred on n // 2 + 1, suit relion_refine when they are moved by half a pixel."""
    found = project(65, "", 100)
    tables = starfile.read(found.folder / "out.star")
    truth = found.density.values.flatten()
    correlations = []
    for move in (-1.0, -0.5, 0.0):
        columns = ["rlnOriginXAngst", "rlnOriginYAngst"]
        particles = tables["particles"].assign(**{name: tables["particles"][name] + move * PIXEL for name in columns})
        starfile.write({**tables, "particles": particles}, found.folder / "moved.star", overwrite=True)
        run(
            "relion_refine --i moved.star --ref map.mrc --o ./refined --iter 1 --skip_align --K 1 --pad 2 "
            "--particle_diameter 120 --tau2_fudge 4 --ini_high 8 --norm --scale --dont_check_norm",
            found.folder,
        )
        refined = mrcfile.read(found.folder / "refined_it001_class001.mrc")
        correlations.append(float(torch.corrcoef(torch.stack((torch.from_numpy(refined).flatten(), truth)))[0, 1]))
    print(correlations)
    assert correlations[1] > 0.99
    assert correlations[1] - correlations[0] == pytest.approx(correlations[1] - correlations[2], rel=0.2)
    assert min(correlations[1] - correlations[0], correlations[1] - correlations[2]) > 0.002
