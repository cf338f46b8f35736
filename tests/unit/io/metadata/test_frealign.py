"""FREALIGN's and cisTEM's parameters: angles, shifts and CTF in our terms; classes by occupancy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.rotation import rotation_to_euler
from deephemnma.io.metadata.frealign import Microscope, read_cistem_particles, read_frealign_particles
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.particles import open_particle_sets
from deephemnma.io.stack.writer import StackWriter

HEAD = "C           PSI   THETA     PHI       SHX       SHY     MAG  FILM      DF1      DF2  ANGAST     OCC\n"
ROW = "{0:7d}{1:8.2f}{2:8.2f}{3:8.2f}{4:10.2f}{5:10.2f}{6:8d}{7:6d}{8:9.1f}{9:9.1f}{10:8.2f}{11:8.2f}{12:10d}{13:11.4f}{14:8.2f}{15:8.2f}\n"  # fmt: skip  # noqa: E501
MICROSCOPE = {"voltage_kv": 300.0, "cs_mm": 2.0, "amplitude_contrast": 0.1}


def write_par(path: Path, occupancies, *, psi: float = -70.79, count: int = 3) -> Path:
    rows = (
        ROW.format(n + 1, psi, 126.01, 39.8, 2.5, -1.25, 48450, 1, 4107, 2889, -55, occupancies[n], 0, 0.5, 20, 0)
        for n in range(count)
    )
    path.write_text(HEAD + "".join(rows))
    return path


@pytest.fixture
def stack(tmp_path) -> Path:
    images = torch.arange(3.0)[:, None, None].expand(3, 12, 12) + torch.rand(12, 12)
    with StackWriter(tmp_path / "stack.mrcs", box_size=12, pixel_size=1.05, count=3) as writer:
        writer.write(images)
    return tmp_path / "stack.mrcs"


def test_the_whole_of_a_file_is_read(tmp_path, stack):
    path = write_par(tmp_path / "a.par", [100, 100, 100])
    tables = read_frealign_particles([path], Microscope(stack=stack, **MICROSCOPE))
    (found,) = open_particle_sets(tables)
    particles = found.particles
    assert particles.names[2].startswith("000003@")
    assert (particles.box_size, particles.pixel_size) == (12, 1.05)  # of the stack's header
    euler = rotation_to_euler(particles.poses.rotations).rad2deg()
    torch.testing.assert_close(euler[0], torch.tensor([39.8, 126.01, -70.79], dtype=torch.float64))
    # FREALIGN says where the particle is, RELION how to bring it back.
    assert particles.poses.shifts[0].tolist() == [-2.5, 1.25]
    assert particles.optics.defocus_u[0] == 4107
    assert float(particles.optics.defocus_angle[0].rad2deg()) == pytest.approx(-55)
    assert particles.optics.voltage_kv[0] == 300
    assert float(particles[torch.tensor([2])].mean() - particles[torch.tensor([0])].mean()) == pytest.approx(2)


def test_of_several_classes_a_particle_has_the_one_it_fills_most(tmp_path, stack):
    first = write_par(tmp_path / "r1.par", [90, 10, 30], psi=1)
    second = write_par(tmp_path / "r2.par", [10, 80, 30], psi=2)
    third = write_par(tmp_path / "r3.par", [0, 10, 40], psi=3)
    tables = read_particle_tables(
        first, classes=[second, third], microscope=Microscope(stack=stack, pixel_size=2.0, **MICROSCOPE)
    )
    assert tables.particles["rlnClassNumber"].tolist() == [1, 2, 3]
    assert tables.particles["rlnAnglePsi"].tolist() == [1, 2, 3]
    assert tables.particles["cisTEMOccupancy"].tolist() == [90, 80, 40]
    assert tables.particles["rlnImagePixelSize"].tolist() == [2, 2, 2]
    assert "class of highest occupancy (1, 1, 1 particles" in tables.remarks[0]


def test_numbers_that_touch_are_told_apart(tmp_path, stack):
    path = write_par(tmp_path / "a.par", [100, 100, 100])
    text = path.read_text().replace("      2.50     -1.25", "  -1002.50-100001.25").replace("  -55.00", " -155.00")
    assert "-1002.50-100001.25" in text
    path.write_text(text)
    tables = read_frealign_particles([path], Microscope(stack=stack, **MICROSCOPE))
    assert tables.particles["rlnOriginXAngst"].tolist() == [1002.5] * 3
    assert tables.particles["rlnOriginYAngst"].tolist() == [100001.25] * 3


def test_numbers_too_wide_for_fortran_matter_only_where_they_are_used(tmp_path, stack):
    path = write_par(tmp_path / "a.par", [100, 100, 100])
    text = path.read_text()
    path.write_text(text.replace("0.5000   20.00", "0.5000********", 1))
    tables = read_frealign_particles([path], Microscope(stack=stack, **MICROSCOPE))
    assert np.isnan(tables.particles["cisTEMScore"]).tolist() == [True, False, False]
    path.write_text(text.replace("  -55.00", "********", 1))
    with pytest.raises(InputError, match=r"particle 1: ANGAST is '\*\*\*\*"):
        read_frealign_particles([path], Microscope(stack=stack, **MICROSCOPE))


def test_shifts_of_version_8_are_in_pixels(tmp_path, stack):
    path = tmp_path / "old.par"
    path.write_text(
        "      1   10.00   20.00   30.00    1.00   -2.00  40000    1 15000.0 14000.0   30.00   90.00  0.00\n"
    )
    tables = read_frealign_particles([path], Microscope(stack=stack, **MICROSCOPE))
    (found,) = open_particle_sets(tables)
    assert found.particles.poses.shifts.tolist() == [[-1.05, 2.1]]


def test_a_star_file_of_cistem_says_all_but_the_stack(tmp_path, stack):
    path = tmp_path / "c.star"
    names = "PositionInStack AnglePsi AngleTheta AnglePhi XShift YShift Defocus1 Defocus2 DefocusAngle PhaseShift ImageActivity PixelSize MicroscopeVoltagekV MicroscopeCsMM AmplitudeContrast Score"  # noqa: E501
    head = "".join(f"_cisTEM{name} #{number}\n" for number, name in enumerate(names.split(), start=1))
    row = "10 20 30 1 2 15000 14000 33"
    rows = f"1 {row} 0.5 1 1.03 300 2.7 0.07 20\n2 {row} 0 -1 1.03 300 2.7 0.07 5\n"
    path.write_text(f"# Written by cisTEM\n\ndata_\n\nloop_\n{head}# POS PSI\n{rows}")
    tables = read_cistem_particles(path, Microscope(stack=stack))
    assert len(tables) == 1
    assert tables.remarks == ("1 of 2 particles are not active and left out",)
    (found,) = open_particle_sets(tables)
    assert found.particles.pixel_size == 1.03
    assert float(found.particles.optics.phase_shift[0]) == pytest.approx(0.5)  # radians in cisTEM
    assert found.particles.optics.cs_mm[0] == 2.7
    assert tables.particles["cisTEMScore"].tolist() == ["20"]
    with pytest.raises(InputError, match=r"does not say all of its images.*--stack"):
        read_particle_tables(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("4107.0", "  41o7", 1), "particle 1: DF1 is '41o7', wanted a number"),
        (lambda text: text + "      4  1.0\n", "line 5: 2 values, but 16 in the lines above"),
        (lambda text: HEAD, "holds no particles"),
        (lambda text: text.replace("   48450", "   48451", 1), "several magnifications"),
    ],
)
def test_mistakes_are_told(tmp_path, stack, change, message):
    path = write_par(tmp_path / "a.par", [100, 100, 100])
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        read_frealign_particles([path], Microscope(stack=stack, **MICROSCOPE))


def test_classes_of_other_particles_are_told(tmp_path, stack):
    paths = [
        write_par(tmp_path / "a.par", [100] * 3),
        write_par(tmp_path / "b.par", [100] * 3, count=2),
    ]
    with pytest.raises(InputError, match="not of the same particles"):
        read_frealign_particles(paths, Microscope(stack=stack, **MICROSCOPE))


@pytest.mark.shared_data
def test_genuine_files_are_read(shared_data, stack):
    tables = read_particle_tables(
        shared_data / "metadata/frealignx_particles_example.par", microscope=Microscope(stack=stack, **MICROSCOPE)
    )
    assert len(tables) == 4
    np.testing.assert_allclose(tables.particles["rlnAngleRot"], [39.80, 58.78, -154.10, 170.46])
    tables = read_particle_tables(
        shared_data / "metadata/cistem2_three_particles.star", microscope=Microscope(stack=stack)
    )
    assert tables.particles["rlnOriginYAngst"].tolist() == [0, -5]  # the second is not active
