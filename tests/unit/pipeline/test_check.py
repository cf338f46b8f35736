"""`check` says what is there, what is missing and what to do."""

import re

import pytest
import torch

from deephemnma.cli.main import main
from deephemnma.core.error import InputError
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.stack.writer import StackWriter
from deephemnma.pipeline.check import check_particles
from deephemnma.settings.stage.check import CheckOptions
from deephemnma.settings.supplement import SupplementOptions

BOX, COUNT = 24, 12


@pytest.fixture
def star(tmp_path):
    axis = torch.arange(BOX) - BOX // 2
    blob = torch.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / 30)
    images = blob + 0.5 * torch.randn(COUNT, BOX, BOX, generator=torch.Generator().manual_seed(0))
    images[3, 2, 2], images[5] = torch.nan, 1.0
    for half in range(2):
        with StackWriter(tmp_path / f"{half}.mrcs", box_size=BOX, pixel_size=2.0, count=6) as writer:
            writer.write(images[6 * half : 6 * half + 6])
    names = [f"{number % 6 + 1}@{number // 6}.mrcs" for number in range(COUNT)]
    table, optics = make_particle_table(names, pixel_size=2.0, box_size=BOX)
    write_particle_star(tmp_path / "p.star", table=table, optics_table=optics)
    return tmp_path / "p.star"


def test_a_good_file_is_described(star):
    report = check_particles(CheckOptions(star))
    text = "\n".join(report.lines)
    assert report.fault == ""
    for part in (
        "RELION 3.1 or newer, 12 particles",
        "poses: none",
        "CTF: none",
        "stacks: 2 of 2 found",
        "12 images of 24 pixels of 2 A; of 12 looked at, 2 are bad (NaN or flat); protein is white",
    ):
        assert part in text


def test_dark_protein_is_stated(star, tmp_path):
    text = star.read_text().replace("rlnImageName #1", "rlnImageName #1\n_deephemnmaContrastSign #2")
    star.write_text(text.replace(".mrcs\t1", ".mrcs\t-1\t1"))
    assert "protein is dark" in check_particles(CheckOptions(star)).lines[-1]


def test_what_is_missing_is_named_with_the_likely_fix(star, tmp_path, capsys):
    (tmp_path / "moved").mkdir()
    (tmp_path / "1.mrcs").rename(tmp_path / "moved/1.mrcs")
    assert main(["check", "--particles", str(star)]) == 2
    printed = capsys.readouterr()
    assert f"not found: 1.mrcs (6 particles); it may be {tmp_path}/moved/1.mrcs" in printed.out
    assert "1 of the 2 stacks" in printed.err
    assert main(["check", "--particles", str(star), "--datadir", str(tmp_path / "moved")]) == 0


def test_a_damaged_stack_is_named(star, tmp_path):
    stack = tmp_path / "1.mrcs"
    stack.write_bytes(stack.read_bytes()[:-1])
    report = check_particles(CheckOptions(star))
    assert re.match(r"1 of the 2 stacks that .*p\.star names cannot be read: .*1\.mrcs is truncated", report.fault)
    assert any("damaged" in line and "truncated" in line for line in report.lines)


def test_sets_of_several_scales_are_told_with_the_command(star):
    text = star.read_text().replace("2.mrcs", "x")
    row = next(line for line in text.splitlines() if "opticsGroup1" in line)
    second = row.replace("1\topticsGroup1\t2\t", "2\topticsGroup2\t3\t")
    text = text.replace(row, f"{row}\n{second}").replace("1.mrcs\t1", "1.mrcs\t2")
    star.write_text(text)
    told = "\n".join(check_particles(CheckOptions(star)).lines)
    assert "6 images of 24 pixels of 2 A" in told
    assert "6 images of 24 pixels of 3 A" in told
    assert f"deephemnma prepare --particles {star} --pixel-size 3 -o prepared" in told


def test_options_without_a_meaning_are_refused(star):
    with pytest.raises(InputError, match=r"--passthrough goes with a \.cs file"):
        check_particles(CheckOptions(star, supplement=SupplementOptions(passthrough=(star,))))
