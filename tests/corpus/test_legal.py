"""Odd inputs that are in order: they are read, pixel by pixel and value by value, like the plain one."""

from pathlib import Path

import corpus_legal
import pytest
import torch
from corpus_case import BOX_SIZE, COUNT, DEFOCI, PIXEL_SIZE
from corpus_legal import Legal

from deephemnma.cli.main import main
from deephemnma.core.rotation import rotation_to_euler
from deephemnma.io.metadata.frealign import Microscope
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.particles import ParticleStack, open_particle_sets


def read(arguments: list[str]) -> ParticleStack:
    """Read what a command line names."""
    options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    microscope = None
    if "--stack" in options:
        microscope = Microscope(Path(options["--stack"]), None, 300.0, 2.7, 0.1)
    tables = read_particle_tables(options["--particles"], microscope=microscope)
    (found,) = open_particle_sets(tables, datadir=Path(options["--datadir"]) if "--datadir" in options else None)
    return found.particles


def test_the_corpus_is_large():
    assert len({case.name for case in corpus_legal.CASES}) == len(corpus_legal.CASES)
    assert len(corpus_legal.CASES) >= 20


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", corpus_legal.CASES, ids=lambda case: case.name)
def test_an_odd_input_is_read_right(case: Legal, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DEEPHEMNMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    arguments = case.build(tmp_path)
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert f"{COUNT} particles" in told.out
    assert "deephemnma check:" not in told.err
    found = read(arguments)
    assert (len(found), found.box_size, found.pixel_size) == (COUNT, BOX_SIZE, PIXEL_SIZE)
    assert torch.equal(found[torch.arange(COUNT)], torch.from_numpy(case.images))
    assert found.optics.defocus_u.tolist() == DEFOCI
    assert found.optics.voltage_kv.tolist() == [300] * COUNT
    if found.poses is not None and found.program != "cryoSPARC":
        euler = rotation_to_euler(found.poses.rotations).rad2deg()
        wanted = torch.tensor([[10.0 + n, 21 + n, 31 + n] for n in range(COUNT)], dtype=torch.float64)
        if found.program.startswith("RELION"):
            torch.testing.assert_close(euler, wanted)
        else:
            torch.testing.assert_close(euler[:, 2], torch.full((COUNT,), 31.0, dtype=torch.float64))
