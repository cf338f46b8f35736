import pickle
import re
import shutil

import mrcfile
import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.particle import Optics
from deephemnma.io.particles import read_particle_sets, read_particles
from deephemnma.io.stack.writer import StackWriter

OLD_STAR = """
data_

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnDefocusU #6
_rlnDefocusV #7
_rlnDefocusAngle #8
_rlnDetectorPixelSize #9
_rlnMagnification #10
_rlnAngleRot #11
_rlnAngleTilt #12
_rlnAnglePsi #13
_rlnOriginX #14
_rlnOriginY #15
000002@particles.mrcs 0012 300 2.7 0.1 10000 9000 30 5 25000 10 20 30 1.5 -2
000001@particles.mrcs 0013 200 2.7 0.1 10000 9000 30 5 25000 40 50 60 0 4
"""


def _write_text(star_path, old: str, new: str) -> None:
    text = star_path.read_text()
    assert old in text
    star_path.write_text(text.replace(old, new))


def test_particles_come_back(star_path, images, names, poses, optics):
    source = read_particles(star_path)
    assert source.names == tuple(names)
    assert (source.box_size, source.pixel_size) == (8, 1.3)
    assert torch.equal(source[torch.tensor([4, 0, 5, 4])], images[[4, 0, 5, 4]])
    torch.testing.assert_close(source.poses.rotations, poses.rotations, atol=1e-8, rtol=0)
    torch.testing.assert_close(source.poses.shifts, poses.shifts, atol=1e-8, rtol=0)
    for field in Optics.__dataclass_fields__:
        if field not in ("phase_flipped", "group"):
            torch.testing.assert_close(getattr(source.optics, field), getattr(optics, field), atol=1e-5, rtol=0)
    assert source.optics.phase_flipped
    assert source.optics.group.tolist() == [0] * 6
    assert source.amplitudes((7,)) is None


def test_damaged_pixels_pass_through(tmp_path, star_path, images):
    images[2, 3, 4] = torch.nan
    with StackWriter(tmp_path / "particles.mrcs", box_size=8, pixel_size=1.3, count=6) as writer:
        writer.write(images)
    found = read_particles(star_path)[torch.arange(6)]
    assert found.isnan().sum() == 1
    assert found[2, 3, 4].isnan()


def test_files_of_relion_3_0_are_brought_to_3_1(tmp_path, star_path):
    (tmp_path / "old.star").write_text(OLD_STAR)
    source = read_particles(tmp_path / "old.star")
    assert source.pixel_size == 2.0  # 5 um on the detector, magnified 25,000 times
    torch.testing.assert_close(source.poses.shifts, torch.tensor([[3.0, -4], [0, 8]], dtype=torch.float64))
    assert source.table["rlnOriginXAngst"].tolist() == [3, 0]
    assert source.table["rlnMicrographName"].tolist() == ["0012", "0013"]
    assert source.table["rlnOpticsGroup"].tolist() == [1, 2]
    assert source.optics_table["rlnVoltage"].tolist() == ["300", "200"]  # as the file has them
    assert source.optics.voltage_kv.tolist() == [300, 200]
    assert source.optics.group.tolist() == [0, 1]
    assert source.optics.select(torch.tensor([1])).to("cpu").group.tolist() == [1]
    assert not source.optics.phase_flipped
    assert read_particles(tmp_path / "old.star", pixel_size=3.0).poses.shifts[0].tolist() == [4.5, -6]


def test_no_defocus_is_no_optics(star_path):
    _write_text(star_path, "rlnDefocus", "otherDefocus")
    assert read_particles(star_path).optics is None


def test_an_image_file_without_a_number_is_its_first_image(tmp_path, images):
    with mrcfile.new(tmp_path / "one.mrc") as mrc:
        mrc.set_data(images[0].numpy())
        mrc.voxel_size = 1.5
    (tmp_path / "one.star").write_text("data_\n\nloop_\n_rlnImageName\n_rlnGroupNumber\none.mrc 1\n")
    source = read_particles(tmp_path / "one.star")
    assert torch.equal(source[torch.tensor([0])], images[:1])
    assert source.pixel_size == 1.5  # the header's, where the star file says nothing
    assert source.poses is None


def test_images_of_many_stacks_come_in_any_order(tmp_path, images):
    rows = []
    for number in range(6):
        with StackWriter(tmp_path / f"{number}.mrcs", box_size=8, pixel_size=1.0, count=1) as writer:
            writer.write(images[number : number + 1])
        rows.append(f"1@{number}.mrcs 1")
    (tmp_path / "a.star").write_text("data_\n\nloop_\n_rlnImageName\n_rlnGroupNumber\n" + "\n".join(rows) + "\n")
    source = read_particles(tmp_path / "a.star")
    order = torch.tensor([5, 0, 3, 1, 2, 4, 0])
    assert torch.equal(source[order], images[order])
    assert torch.equal(source[order.flip(0)], images[order.flip(0)])


def test_a_source_goes_to_a_worker_without_its_images(star_path, images):
    source = read_particles(star_path)
    source[torch.arange(6)]
    sent = pickle.dumps(source)
    assert images.numpy()[0].tobytes() not in sent
    assert torch.equal(pickle.loads(sent)[torch.tensor([3])], images[3:4])


@pytest.mark.parametrize("place", ["above", "datadir", "flat"])
def test_stacks_are_found_where_relion_and_users_put_them(tmp_path, star_path, images, place):
    _write_text(star_path, "@particles.mrcs", "@Extract/job1/particles.mrcs")
    project = tmp_path / "project"
    star = project / "Refine3D" / "job2" / "run_data.star"
    star.parent.mkdir(parents=True)
    shutil.copy(star_path, star)
    folder = {"above": project / "Extract/job1", "datadir": tmp_path / "far/Extract/job1", "flat": star.parent}[place]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "particles.mrcs", folder)
    source = read_particles(star, datadir=tmp_path / "far" if place == "datadir" else None)
    assert torch.equal(source[torch.arange(6)], images)


def test_a_stack_that_is_nowhere_is_told_with_a_place_that_was_tried(tmp_path, star_path):
    (tmp_path / "particles.mrcs").unlink()
    with pytest.raises(InputError, match=r"names the stack 'particles\.mrcs'.*tried .*particles\.mrcs"):
        read_particles(star_path)


def test_a_truncated_stack_is_told_in_bytes(tmp_path, star_path):
    path = tmp_path / "particles.mrcs"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"6 images of 8 x 8, 2560 bytes, but there are 2460"):
        read_particles(star_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("_rlnImageName", "_otherName", "no column rlnImageName"),
        ("_rlnVoltage", "_otherVoltage", "lacks the column rlnVoltage"),
        ("_rlnDefocusAngle", "_otherAngle", "lacks the column rlnDefocusAngle"),
        ("_rlnAngleTilt", "_otherTilt", "lacks the column rlnAngleTilt"),
        ("000006@", "000007@", "particle 6: '000007@particles.mrcs' is not in its stack, which holds images 1 to 6"),
        ("000006@", "000000@", "is not in its stack"),
        ("000006@", "3@", r"particles 3 \('000003@particles.mrcs'\) and 6 \('3@particles.mrcs'\) are one image"),
        ("000006@", "six@", "wanted 000001@stack.mrcs"),
        ("\t8\t2\n", "\t16\t2\n", r"16 pixels \(rlnImageSize\), but those of its stack have 8"),
        ("\t1.3\t8", "\t0\t8", "pixel size is 0 A"),
        ("_rlnCtfDataArePhaseFlipped", "_rlnCtfDataAreCtfPremultiplied", "multiplied by their CTF"),
        ("data_particles", "data_optics2", None),
    ],
)
def test_mistakes_are_told(star_path, old, new, message):
    _write_text(star_path, old, new)
    if message is None:
        assert len(read_particles(star_path)) == 6
        return
    with pytest.raises(InputError, match=message):
        read_particles(star_path)


def test_an_unknown_optics_group_is_told(star_path):
    lines = star_path.read_text().splitlines()
    lines = [line[:-1] + "4" if line.startswith("000003@") else line for line in lines]
    star_path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"particle 3: optics group 4 is not in data_optics \(it has 1\)"):
        read_particles(star_path)


def test_a_word_where_a_number_should_be_is_told(star_path):
    text = star_path.read_text()
    row = next(line for line in text.splitlines() if line.startswith("000002@"))
    cells = row.split("\t")
    cells[1] = "steep"
    star_path.write_text(text.replace(row, "\t".join(cells)))
    with pytest.raises(InputError, match="particle 2: rlnAngleRot is 'steep', wanted a number"):
        read_particles(star_path)


def test_two_box_sizes_are_refused(tmp_path, star_path, images):
    with StackWriter(tmp_path / "small.mrcs", box_size=6, pixel_size=1.3, count=6) as writer:
        writer.write(images[:, :6, :6])
    _write_text(star_path, "000006@particles", "000006@small")
    with pytest.raises(InputError, match=r"particle 6: images have 8 pixels .* those of its stack have 6"):
        read_particles(star_path)
    star_path.write_text(re.sub("_rlnImageSize", "_rlnOther", star_path.read_text()))
    with pytest.raises(InputError, match=r"images of 2 scales \(5 of 8 pixels of 1.3 A, 1 of 6 pixels of 1.3 A\)"):
        read_particles(star_path)


def test_sets_of_several_pixel_sizes_come_apart(star_path, images):
    text = star_path.read_text()
    row = next(line for line in text.splitlines() if "opticsGroup1" in line)
    second = row.replace("\t1\topticsGroup1\t1.3", "\t2\topticsGroup2\t1.4")
    assert second != row
    lines = text.replace(row, f"{row}\n{second}").splitlines()
    lines = [line[:-1] + "2" if line.startswith("000003@") else line for line in lines]
    star_path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"images of 2 scales .*`deephemnma prepare --pixel-size 1.4"):
        read_particles(star_path)
    first, other = read_particle_sets(star_path)
    assert (first.rows.tolist(), other.rows.tolist()) == ([0, 1, 3, 4, 5], [2])
    assert (first.particles.pixel_size, other.particles.pixel_size) == (1.3, 1.4)
    assert torch.equal(other.particles[torch.tensor([0])], images[2:3])
    assert other.particles.optics.group.tolist() == [1]


def test_files_that_are_no_star_or_no_stack_are_told(tmp_path, star_path):
    with pytest.raises(InputError, match="no such file"):
        read_particles(tmp_path / "none.star")
    (tmp_path / "particles.mrcs").write_text("text")
    with pytest.raises(InputError, match=r"particles\.mrcs cannot be read as an MRC stack"):
        read_particles(star_path)
    (tmp_path / "text.star").write_text("just text\n")
    with pytest.raises(InputError, match=r"text\.star"):
        read_particles(tmp_path / "text.star")


def test_an_unfinished_stack_does_not_appear(tmp_path, images):
    path = tmp_path / "a.mrcs"
    writer = StackWriter(path, box_size=8, pixel_size=1.0, count=6)
    with pytest.raises(ValueError, match="6 images, 4 came"), writer:
        writer.write(images[:4])
    assert list(tmp_path.iterdir()) == []


def test_a_stack_takes_no_more_than_announced(tmp_path, images):
    writer = StackWriter(tmp_path / "a.mrcs", box_size=8, pixel_size=1.0, count=5)
    with pytest.raises(ValueError, match="5 images, 6 came"), writer:
        writer.write(images)
    assert list(tmp_path.iterdir()) == []


def test_a_written_stack_is_a_valid_stack(tmp_path, images):
    for name in "ab":
        with StackWriter(tmp_path / f"{name}.mrcs", box_size=8, pixel_size=1.3, count=6) as writer:
            writer.write(images)
    assert (tmp_path / "a.mrcs").read_bytes() == (tmp_path / "b.mrcs").read_bytes()
    with mrcfile.open(tmp_path / "a.mrcs") as mrc:
        assert mrc.is_image_stack()
        assert float(mrc.voxel_size.x) == pytest.approx(1.3)
        np.testing.assert_array_equal(mrc.data, images.numpy())
