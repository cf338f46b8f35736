"""What HEMNMA's files mean: the atoms, displaced and projected as its truth says, must lie where its images are."""

import json
import math

import numpy as np
import pytest
import torch

from deephemnma.core.rotation import compute_geodesic_angle, euler_to_rotation
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.metadata.xmipp import read_hemnma_results
from deephemnma.io.particles import ParticleStack, read_particles
from deephemnma.io.structure import read_structure

pytestmark = pytest.mark.shared_data
PIXEL_SIZE = 0.65  # A
NUMBERS = (7, 8, 9)
ATOM_WIDTH = 1.0  # A; Xmipp's atoms are broad


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "hemnma" / "ak8"


@pytest.fixture(scope="module")
def truth(folder):
    return json.loads((folder / "truth.json").read_text())


def _read_images(folder, tmp_path) -> ParticleStack:
    names = [f"{number:06d}@ak8.mrcs" for number in range(1, 9)]
    table, optics_table = make_particle_table(names, pixel_size=PIXEL_SIZE, box_size=128)
    write_particle_star(tmp_path / "ak8.star", table=table, optics_table=optics_table)
    return read_particles(tmp_path / "ak8.star", datadir=folder)


def _make_transfer(frequency: torch.Tensor) -> torch.Tensor:
    """Return |CTF| (200 kV, Cs 2 mm, 0.5 um, Q0 0.112762) times the atoms' transform."""
    wavelength, amplitude = 0.0250793, 0.112762
    square = frequency[:, None] ** 2 + frequency[None] ** 2
    phase = math.pi * wavelength * square * 5000 - math.pi / 2 * 2e7 * wavelength**3 * square**2
    ctf = math.sqrt(1 - amplitude**2) * phase.sin() + amplitude * phase.cos()
    return ctf.abs() * torch.exp(-2 * math.pi**2 * ATOM_WIDTH**2 * square)


def _project(positions: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    frequency = torch.fft.fftfreq(128, PIXEL_SIZE, dtype=torch.float64)
    waves = [torch.exp(-2j * math.pi * frequency * (positions[:, axis : axis + 1] + place[axis])) for axis in (0, 1)]
    transform = waves[1].T @ waves[0] * _make_transfer(frequency)
    return torch.fft.fftshift(torch.fft.ifft2(transform).real)


def _correlate(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack((first.flatten(), second.flatten())))[0, 1])


def test_particles_lie_at_minus_the_shift(folder, truth, tmp_path):
    images = _read_images(folder, tmp_path)[torch.arange(8)].double()
    atoms = read_structure(folder / "atoms.pdb").positions
    vectors = torch.from_numpy(np.load(folder / "modes_7_8_9.npy").astype(np.float64))
    for image, row in zip(images, truth, strict=True):
        displaced = atoms - atoms.mean(dim=0) + torch.einsum("m,msx->sx", torch.tensor(row["q"]).double(), vectors)
        euler = torch.tensor([row["rot"], row["tilt"], row["psi"]], dtype=torch.float64).deg2rad()
        seen = displaced @ euler_to_rotation(euler).T
        shift = torch.tensor(row["phantom_shift_px128"], dtype=torch.float64) * PIXEL_SIZE
        found = _correlate(_project(seen, -shift), image)
        assert found > 0.5
        assert found > _correlate(_project(seen, shift), image) + 0.05


def test_results_are_near_the_truth_in_our_conventions(folder, truth):
    found = read_hemnma_results(folder / "hemnma_result.xmd", mode_numbers=NUMBERS, pixel_size=PIXEL_SIZE)
    euler = torch.tensor([[row["rot"], row["tilt"], row["psi"]] for row in truth], dtype=torch.float64).deg2rad()
    angles = compute_geodesic_angle(found.poses.rotations, euler_to_rotation(euler)).rad2deg()
    shifts = torch.tensor([row["phantom_shift_px128"] for row in truth], dtype=torch.float64) * PIXEL_SIZE
    amplitudes = torch.tensor([row["q"] for row in truth], dtype=torch.float64)
    assert found.names == tuple(row["image"] for row in truth)
    assert angles.max() < 3
    # The README beside the files gives 0.05 A and 6.2.
    assert (found.poses.shifts - shifts).abs().mean() == pytest.approx(0.05, abs=0.01)
    assert (found.amplitudes - amplitudes).abs().mean() == pytest.approx(6.2, abs=0.1)
