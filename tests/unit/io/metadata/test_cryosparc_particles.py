"""Particles of cryoSPARC: fields in RELION's columns, passthrough files, contrast, and back again."""

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status
from deephemnma.io.metadata.cryosparc import read_cryosparc_particles
from deephemnma.io.metadata.cryosparc_table import read_cryosparc_table, write_cryosparc_table
from deephemnma.io.metadata.cryosparc_writer import write_cryosparc_particles
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.particles import complete_tables, read_particles
from deephemnma.io.stack.writer import StackWriter
from deephemnma.io.table import read_estimates

COUNT = 6
BLOB = [
    ("uid", "<u8"), ("blob/path", "S40"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4"),
    ("blob/sign", "<f4"), ("ctf/exp_group_id", "<u4"), ("ctf/accel_kv", "<f4"), ("ctf/cs_mm", "<f4"),
    ("ctf/amp_contrast", "<f4"), ("ctf/df1_A", "<f4"), ("ctf/df2_A", "<f4"), ("ctf/df_angle_rad", "<f4"),
    ("ctf/phase_shift_rad", "<f4"), ("ctf/tilt_A", "<f4", (2,)),
]  # fmt: skip
POSES = [
    ("uid", "<u8"), ("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,)),
    ("alignments3D/psize_A", "<f4"), ("alignments3D/class", "<u4"),
]  # fmt: skip


@pytest.fixture
def job(tmp_path, images):
    """A job's folder: particles without poses, and the poses in its passthrough file, in another order."""
    folder = tmp_path / "J24"
    folder.mkdir()
    (tmp_path / "J19").mkdir()
    with StackWriter(tmp_path / "J19" / "stack.mrc", box_size=8, pixel_size=1.3, count=COUNT) as writer:
        writer.write(images)
    table = np.zeros(COUNT, dtype=BLOB)
    table["uid"] = np.arange(COUNT) + 2**60
    table["blob/path"], table["blob/idx"] = b">J19/stack.mrc", np.arange(COUNT)
    table["blob/shape"], table["blob/psize_A"], table["blob/sign"] = 8, 1.3, -1
    table["ctf/exp_group_id"] = [5, 5, 5, 9, 9, 9]
    table["ctf/accel_kv"], table["ctf/cs_mm"], table["ctf/amp_contrast"] = 300, 2.7, 0.1
    table["ctf/df1_A"], table["ctf/df2_A"], table["ctf/df_angle_rad"] = 16000, 15000, np.deg2rad(30)
    poses = np.zeros(COUNT, dtype=POSES)
    poses["uid"] = table["uid"][::-1]
    generator = np.random.default_rng(0)
    poses["alignments3D/pose"] = generator.normal(size=(COUNT, 3))
    poses["alignments3D/shift"] = generator.normal(size=(COUNT, 2))
    poses["alignments3D/psize_A"], poses["alignments3D/class"] = 2.6, np.arange(COUNT)
    write_cryosparc_table(folder / "P1_J24_010_particles.cs", table)
    write_cryosparc_table(folder / "P1_J24_passthrough_particles.cs", poses)
    return folder


def test_particles_are_read_with_what_their_passthrough_file_adds(job, images):
    source = read_particles(job / "P1_J24_010_particles.cs")
    assert source.names[1] == "000002@J19/stack.mrc"
    assert (source.box_size, source.pixel_size) == (8, 1.3)
    assert torch.equal(source[torch.arange(COUNT)], -images)  # blob/sign -1: dark protein
    assert source.optics.group.tolist() == [0, 0, 0, 1, 1, 1]
    assert float(source.optics.defocus_angle[0].rad2deg()) == pytest.approx(30, abs=1e-4)
    assert source.optics.cs_mm.tolist() == [2.7] * COUNT  # the decimal that single precision stands for
    poses = np.load(job / "P1_J24_passthrough_particles.cs")[::-1]
    np.testing.assert_allclose(source.poses.shifts, 2.6 * poses["alignments3D/shift"], rtol=1e-6)
    assert source.table["cryosparcUid"].tolist() == [str(2**60 + row) for row in range(COUNT)]
    estimates = read_estimates(job / "P1_J24_010_particles.cs")
    torch.testing.assert_close(estimates.poses.rotations, source.poses.rotations, atol=1e-6, rtol=0)


def test_a_named_passthrough_file_must_have_every_particle(job):
    other = job / "P1_J24_passthrough_particles.cs"
    write_cryosparc_table(other, np.load(other)[1:])
    path = job / "P1_J24_010_particles.cs"
    assert "alignments3D/pose" not in read_cryosparc_table(path).dtype.names  # one that was only found there
    with pytest.raises(InputError, match=r"no row of particle 6 of .* \(uid 1152921504606846981\)"):
        read_cryosparc_table(path, passthroughs=[other])


def test_what_the_ctf_has_no_room_for_is_said(job):
    path = job / "P1_J24_010_particles.cs"
    table = np.load(path)
    table["ctf/tilt_A"] = 0.1
    write_cryosparc_table(path, table)
    assert any("ctf/tilt_A" in remark for remark in read_cryosparc_particles(path).remarks)


def test_every_field_and_uid_goes_back(job, estimates, tmp_path):
    path = job / "P1_J24_010_particles.cs"
    tables = complete_tables(read_cryosparc_particles(path))
    original = read_cryosparc_table(path)
    write_cryosparc_particles(tmp_path / "same.cs", tables, original=original)
    assert np.array_equal(np.load(tmp_path / "same.cs"), original)
    write_cryosparc_particles(tmp_path / "out.cs", tables, original=original, estimates=estimates)
    found = np.load(tmp_path / "out.cs")
    assert found.dtype.names[: len(original.dtype.names)] == original.dtype.names
    kept = [name for name in original.dtype.names if name not in ("alignments3D/pose", "alignments3D/shift")]
    for name in kept:
        assert np.array_equal(found[name], original[name]), name
    again = read_estimates(tmp_path / "out.cs")
    torch.testing.assert_close(again.poses.rotations, estimates.poses.rotations, atol=2e-6, rtol=0)
    torch.testing.assert_close(again.poses.shifts, estimates.poses.shifts, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found["deephemnma/amplitude_11"], estimates.amplitudes[:, 2], rtol=1e-6)
    assert found["deephemnma/status"][-1] == str(Status.BAD_IMAGE).encode()


def test_particles_of_relion_become_particles_of_cryosparc(star_path, estimates, tmp_path):
    before = read_particles(star_path)
    tables = complete_tables(read_particle_tables(star_path))
    write_cryosparc_particles(star_path.with_name("out.cs"), tables, estimates=estimates)
    after = read_particles(star_path.with_name("out.cs"))
    assert after.names == before.names
    rows = torch.arange(COUNT)
    assert torch.equal(after[rows], before[rows])
    torch.testing.assert_close(after.poses.rotations, estimates.poses.rotations, atol=2e-6, rtol=0)
    for field in ("defocus_u", "defocus_angle", "phase_shift", "voltage_kv", "amplitude_contrast"):
        torch.testing.assert_close(getattr(after.optics, field), getattr(before.optics, field), atol=1e-2, rtol=1e-6)
    assert len(set(np.load(star_path.with_name("out.cs"))["uid"])) == COUNT


def test_cryosparcs_own_tools_read_what_we_write(job, star_path, estimates, tmp_path):
    dataset = pytest.importorskip("cryosparc.dataset", reason="cryosparc-tools is not installed").Dataset
    path = job / "P1_J24_010_particles.cs"
    tables = complete_tables(read_cryosparc_particles(path))
    write_cryosparc_particles(tmp_path / "out.cs", tables, original=read_cryosparc_table(path), estimates=estimates)
    found = dataset.load(str(tmp_path / "out.cs"))
    assert len(found) == COUNT
    assert found["uid"].tolist() == [2**60 + row for row in range(COUNT)]
    assert found["blob/path"][0] == ">J19/stack.mrc"
    assert set(found.prefixes()) == {"blob", "ctf", "alignments3D", "deephemnma"}
    # and what they write, compressed as inside of projects, is read here
    found.save(str(tmp_path / "compressed.cs"), format=2)
    assert (tmp_path / "compressed.cs").read_bytes()[1:6] == b"CSDAT"
    again, plain = read_cryosparc_table(tmp_path / "compressed.cs"), np.load(tmp_path / "out.cs")
    for name in plain.dtype.names:
        assert np.array_equal(again[name], plain[name]), name
