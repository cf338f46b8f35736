"""From RELION and back to RELION: its images, our estimates, its map from the star file that the stage writes.

relion_project makes noisy images of a known map at known poses, `read_particles` reads its star file, `run_estimate`
finds the poses (and amplitudes of mode 7, which are 0) knowing none of them, and relion_reconstruct makes the map from
``estimates.star`` as it stands.
"""

import math
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
import torch
from torch import Tensor

from deephemnma.core.model import GaussianModel
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations
from deephemnma.core.structure import DensityMap
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.particles import ParticleStack, read_particles
from deephemnma.metrics.fsc import compute_fsc
from deephemnma.pipeline.estimate import run_estimate
from deephemnma.pipeline.reference import load_reference
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.stage.estimate import EstimateStage
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions

BOX, PIXEL, COUNT, SNR, N_BEADS = 48, 2.5, 400, 0.5, 214

pytestmark = [
    pytest.mark.relion,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("relion_reconstruct") is None, reason="RELION is not installed (Debian: apt-get install relion)"
    ),
]


@dataclass(frozen=True)
class RoundTrip:
    """A folder with RELION's ``noisy.star`` and our ``estimates/estimates.star``; the truth and what was found."""

    folder: Path
    truth: DensityMap
    poses: Poses
    found: ParticleStack


def run(command: str, folder: Path) -> None:
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, f"{command}: {done.stderr[-500:]}"


def draw_particles() -> tuple[Poses, Optics]:
    generator = torch.Generator().manual_seed(0)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(COUNT, generator=generator, dtype=torch.float64)

    poses = Poses(make_random_rotations(COUNT, generator=generator), torch.stack((draw(-4, 4), draw(-4, 4)), dim=1))
    defocus = draw(6000, 14000)
    optics = Optics(
        voltage_kv=draw(300, 300),
        cs_mm=draw(2.7, 2.7),
        amplitude_contrast=draw(0.1, 0.1),
        defocus_u=defocus,
        defocus_v=defocus - draw(0, 1500),
        defocus_angle=draw(0, math.pi),
        phase_shift=draw(0, 0),
    )
    return poses, optics


def make_images(folder: Path, model: GaussianModel) -> tuple[DensityMap, Poses]:
    """Write ``noisy.star`` and its stack: relion_project's images and seeded white noise."""
    truth = make_model_map(model, box_size=BOX, voxel_size=PIXEL)
    with mrcfile.new(folder / "truth.mrc") as file:
        file.set_data(truth.values.numpy().astype(np.float32))
        file.voxel_size = PIXEL
    poses, optics = draw_particles()
    names = [f"{row + 1:06d}@none.mrcs" for row in range(COUNT)]
    table, groups = make_particle_table(names, pixel_size=PIXEL, box_size=BOX, poses=poses, optics=optics)
    write_particle_star(folder / "angles.star", table=table, optics_table=groups)
    run(f"relion_project --i truth.mrc --o clean --ang angles.star --angpix {PIXEL} --pad 2 --ctf", folder)
    clean = mrcfile.read(folder / "clean.mrcs")
    noise = np.random.default_rng(0).standard_normal(clean.shape) * clean.std() / math.sqrt(SNR)
    with mrcfile.new(folder / "noisy.mrcs") as file:
        file.set_data((clean + noise).astype(np.float32))
        file.set_image_stack()
        file.voxel_size = PIXEL
    blocks = starfile.read(folder / "clean.star")
    blocks["particles"]["rlnImageName"] = blocks["particles"]["rlnImageName"].str.replace("clean", "noisy")
    starfile.write(blocks, folder / "noisy.star")
    return truth, poses


@pytest.fixture(scope="module")
def trip(tmp_path_factory, adenylate_kinase_path) -> RoundTrip:
    folder = tmp_path_factory.mktemp("trip")
    beads = MoleculeOptions(structure=StructureOptions(sites="ca"), width=2.5)
    reference = ReferenceOptions(adenylate_kinase_path, modes="7", molecule=beads)
    truth, poses = make_images(folder, load_reference(reference).model)
    search = EstimateSettings(shift_range=6.0, amplitude_range=2.0, pilot_images=32)
    stage = EstimateStage(folder / "noisy.star", reference, search=search, device="cpu", workers=1)
    run_estimate(stage, output=folder / "estimates")
    found = read_particles(folder / "estimates" / "estimates.star", datadir=folder)
    return RoundTrip(folder, truth, poses, found)


def reconstruct(trip: RoundTrip, star: str) -> DensityMap:
    run(f"relion_reconstruct --i {star} --o map.mrc --ctf", trip.folder)
    values = torch.from_numpy(mrcfile.read(trip.folder / "map.mrc"))
    return DensityMap(values, PIXEL, torch.zeros(3, dtype=torch.float64), "RELION")


def correlate(density: DensityMap, truth: DensityMap) -> float:
    """Within a sphere that holds the molecule."""
    axis = torch.arange(BOX) - BOX // 2
    inside = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2) < (BOX // 2 - 4) ** 2
    pair = torch.stack((density.values[inside].double(), truth.values[inside].double()))
    return float(torch.corrcoef(pair)[0, 1])


def score_map(trip: RoundTrip, star: str) -> tuple[float, float]:
    """Return how far RELION's map of `star` is like the truth: within a sphere, and in the mean of the shells."""
    density = reconstruct(trip, star)
    return correlate(density, trip.truth), float(compute_fsc(density, trip.truth).correlation[: BOX // 3].mean())


def write_star(trip: RoundTrip, name: str, rotations: Tensor, shifts: Tensor) -> str:
    """Write the estimates' star file with other poses."""
    names = list(trip.found.names)
    table, groups = make_particle_table(
        names, pixel_size=PIXEL, box_size=BOX, poses=Poses(rotations, shifts), optics=trip.found.optics
    )
    write_particle_star(trip.folder / name, table=table, optics_table=groups)
    return name


def test_poses_of_relions_images_are_found(trip):
    angles = compute_geodesic_angle(trip.found.poses.rotations, trip.poses.rotations).rad2deg()
    offsets = (trip.found.poses.shifts - trip.poses.shifts).norm(dim=1)
    amplitudes = trip.found.amplitudes([7])
    rmsd = amplitudes.square().mean().sqrt() / math.sqrt(N_BEADS)
    print(f"angle {float(angles.median()):.2f} deg, offset {float(offsets.median()):.2f} A, motion {float(rmsd):.2f} A")
    assert float(angles.median()) < 2.0
    assert float((angles < 10).double().mean()) > 0.97
    assert float(offsets.median()) < 0.3
    assert float(rmsd) < 0.6


def test_relions_map_from_our_star_file_is_that_of_the_true_poses(trip):
    of_truth, of_estimates = score_map(trip, "noisy.star"), score_map(trip, "estimates/estimates.star")
    print(of_truth, of_estimates)
    assert min(of_truth) > 0.85
    assert of_estimates[0] > 0.98 * of_truth[0]
    assert of_estimates[1] > 0.98 * of_truth[1]


def test_the_mirrored_map_would_show(trip):
    density = reconstruct(trip, "estimates/estimates.star")
    # Voxel 0 of an even box has no mirror image: roll it back to where it was.
    mirrored = DensityMap(density.values.flip(0).roll(1, 0), PIXEL, density.origin, "mirrored")
    assert correlate(mirrored, trip.truth) < 0.6


@pytest.mark.parametrize("name", ["inverse rotations", "shifts of the other sign", "mirrored rotations"])
def test_wrong_poses_would_show(trip, name):
    rotations, shifts = trip.found.poses.rotations, trip.found.poses.shifts
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    wrong = {
        "inverse rotations": (rotations.mT, shifts),
        "shifts of the other sign": (rotations, -shifts),
        # In these the mirrored molecule shows the same images: no single image can tell.
        "mirrored rotations": (mirror @ rotations @ mirror, shifts),
    }[name]
    found = score_map(trip, write_star(trip, "wrong.star", *wrong))
    print(name, found)
    assert found[0] < 0.8


def test_a_selection_by_relion_keeps_what_we_wrote(trip):
    run(
        "relion_star_handler --i estimates/estimates.star --o selected.star --select rlnDefocusU --minval 9000",
        trip.folder,
    )
    selected = read_particles(trip.folder / "selected.star")
    rows = torch.nonzero(trip.found.optics.defocus_u >= 9000).flatten()
    assert 0 < len(rows) < COUNT
    assert selected.names == tuple(trip.found.names[row] for row in rows)
    kept = trip.found.poses.select(rows)
    assert float(compute_geodesic_angle(selected.poses.rotations, kept.rotations).max()) < 1e-6
    torch.testing.assert_close(selected.poses.shifts, kept.shifts, atol=1e-5, rtol=0)
    torch.testing.assert_close(selected.amplitudes([7]), trip.found.amplitudes([7])[rows])
    assert set(selected.table["deephemnmaStatus"]) <= set(trip.found.table["deephemnmaStatus"])
