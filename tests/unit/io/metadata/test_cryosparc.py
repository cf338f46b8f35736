"""Poses of cryoSPARC: its conventions written out by hand, its files as they come, images under other names."""

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status
from deephemnma.core.rotation import rotation_to_euler
from deephemnma.io.metadata.cryosparc import read_cryosparc_poses
from deephemnma.io.metadata.image_name import find_images
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates

FIELDS = [
    ("uid", "<u8"), ("blob/path", "S40"), ("blob/idx", "<u4"), ("blob/psize_A", "<f4"),
    ("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,)), ("alignments3D/psize_A", "<f4"),
]  # fmt: skip


def make_table(count: int = 4) -> np.ndarray:
    table = np.zeros(count, dtype=FIELDS)
    table["blob/path"] = b">J1/imported/000090334788266266069_a.mrcs"[:40]
    table["blob/idx"] = np.arange(count)
    table["blob/psize_A"], table["alignments3D/psize_A"] = 1.5, 3.0
    generator = np.random.default_rng(0)
    table["alignments3D/pose"] = generator.normal(size=(count, 3))
    table["alignments3D/shift"] = generator.normal(size=(count, 2))
    return table


def write(path, table):
    with path.open("wb") as stream:
        np.save(stream, table)
    return path


def test_a_pose_is_the_rotation_by_its_vector_backwards_and_shifts_are_pixels_of_the_refinement(tmp_path):
    table = make_table()
    table["alignments3D/pose"][0] = 0, 0, np.deg2rad(30)
    table["alignments3D/pose"][1] = 0, np.deg2rad(50), 0
    found = read_cryosparc_poses(write(tmp_path / "p.cs", table))
    # RELION's rot and psi turn about z, its tilt about y, and all three turn the frame, not the molecule.
    rot, tilt, psi = rotation_to_euler(found.poses.rotations).rad2deg().unbind(1)
    assert float(rot[0] + psi[0]) == pytest.approx(30, abs=1e-4)
    assert float(tilt[0]) == pytest.approx(0, abs=1e-4)
    assert float(tilt[1]) == pytest.approx(50, abs=1e-4)
    assert float(rot[1]) == pytest.approx(0, abs=1e-4)
    torch.testing.assert_close(found.poses.shifts, torch.from_numpy(3.0 * table["alignments3D/shift"]).double())
    assert found.status == (Status.GIVEN,) * 4
    assert found.mode_numbers == ()


def test_the_rotation_is_that_of_rodrigues(tmp_path):
    """exp(-[v]), with the exponential of the cross product summed up term by term."""
    table = make_table()
    found = read_cryosparc_poses(write(tmp_path / "p.cs", table))
    for vector, rotation in zip(table["alignments3D/pose"].astype(float), found.poses.rotations, strict=True):
        x, y, z = vector
        cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        torch.testing.assert_close(rotation, torch.linalg.matrix_exp(-cross), atol=1e-6, rtol=0)


def test_without_a_pixel_size_of_the_refinement_that_of_the_images_counts(tmp_path):
    table = make_table()
    kept = table[[name for name in table.dtype.names if name != "alignments3D/psize_A"]]
    found = read_estimates(write(tmp_path / "p.cs", kept))
    torch.testing.assert_close(found.poses.shifts, torch.from_numpy(1.5 * table["alignments3D/shift"]).double())


def drop_rows(table):
    return table[:0]


def drop_poses(table):
    return table[["uid", "blob/path", "blob/idx", "blob/psize_A"]]


def repeat(table):
    return np.concatenate((table, table[1:2]))


def spoil(table):
    table["alignments3D/shift"][2, 1] = np.nan
    return table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_rows, "holds no particles"),
        (drop_poses, "has no field alignments3D/pose"),
        (repeat, "more than once"),
        (spoil, "particle 3"),
        (lambda table: table["alignments3D/pose"], "not a table"),
    ],
)
def test_files_without_one_pose_a_particle_are_refused_in_a_sentence(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read_cryosparc_poses(write(tmp_path / "p.cs", change(make_table())))


@pytest.mark.parametrize(
    ("content", "message"), [(b"\x94CSDAT....", "compressed|damaged"), (b"\x93NUMPY", "cannot be read")]
)
def test_other_formats_are_refused_in_a_sentence(tmp_path, content, message):
    (tmp_path / "p.cs").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_cryosparc_poses(tmp_path / "p.cs")


@pytest.mark.shared_data
def test_files_of_cryosparc_itself(shared_data):
    folder = shared_data / "metadata"
    found = read_estimates(folder / "cryosparc_P12_J24_001_particles.cs")
    assert len(found) == 2019
    assert found.names[0].startswith("000001@J19/extract/20150917_05196")
    # The shifts of a refinement lie within its 180 pixels, and its search of shifts was centred.
    assert float(found.poses.shifts.abs().max()) < 0.2 * 180 * 2.95
    assert float(found.poses.shifts.mean(0).abs().max()) < 4
    with pytest.raises(InputError, match="holds no particles"):
        read_estimates(folder / "cryosparctools_4k_dataset.cs")
    for unaligned in ("empiar_10076_7.cs", "cryosparc_J2_particles_exported.cs"):
        with pytest.raises(InputError, match="has no field alignments3D/pose"):
            read_estimates(folder / unaligned)


# Images under other names


def test_images_are_found_where_programs_renamed_the_stack():
    wanted = ["2@Extract/job007/mic_1.mrcs", "000001@Extract/job007/mic_2.mrcs"]
    given = [
        "000001@J3/imported/000090334788266266069_mic_1.mrc",
        "000002@J3/imported/000090334788266266069_mic_1.mrc",
        "000001@J3/imported/000090334788266266069_mic_2.mrc",
    ]
    assert find_images(wanted, given) == [1, 2]


def test_a_name_as_it_stands_goes_before_one_that_is_alike():
    assert find_images(["1@b/s.mrcs"], ["1@a/s.mrcs", "1@b/s.mrcs"]) == [1]


def test_images_that_cannot_be_told_apart_are_not_found():
    assert find_images(["1@c/s.mrcs"], ["1@a/s.mrcs", "1@b/s.mrcs"]) == [None]
    assert find_images(["1@a/s.mrcs", "1@b/s.mrcs"], ["1@c/s.mrcs"]) == [None, None]


@pytest.mark.shared_data
def test_star_and_cs_of_the_same_particles_name_the_same_images(shared_data):
    table = np.load(shared_data / "particles/empiar_10076_7.cs", allow_pickle=False)
    names = zip(table["blob/idx"].tolist(), table["blob/path"].tolist(), strict=True)
    given = [f"{index + 1:06d}@{stack.decode()}" for index, stack in names]
    particles = read_particles(shared_data / "particles/empiar_10076_7.star")
    assert find_images(particles.names, given) == list(range(7))
    assert particles.pixel_size == pytest.approx(float(table["blob/psize_A"][0]), rel=1e-4)
