import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from deephemnma.core.error import InputError
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.particles import read_particles


def test_all_columns_are_kept_and_ours_added(tmp_path, star_path, estimates):
    source = read_particles(star_path)
    table = source.table.assign(rlnMicrographName="0012", rlnGroupName="1e5", rlnSmall=1.25e-9, rlnOriginX=99.0)
    path = tmp_path / "out.star"
    write_particle_star(path, table=table, optics_table=source.optics_table, estimates=estimates)
    tables = read_particle_tables(path)
    found, optics_table = tables.particles, tables.optics
    added = [f"deephemnmaAmplitude{number}" for number in (7, 8, 11)] + ["deephemnmaStatus", "deephemnmaScore"]
    assert found.columns.tolist() == [*table.columns, *added]
    assert optics_table.columns.tolist() == source.optics_table.columns.tolist()
    assert found["rlnMicrographName"].tolist() == ["0012"] * 6
    assert found["rlnGroupName"].tolist() == ["1e5"] * 6
    assert found["rlnSmall"].astype(float).tolist() == [1.25e-9] * 6
    assert found["deephemnmaStatus"].tolist() == [str(status) for status in estimates.status]
    np.testing.assert_allclose(found["deephemnmaAmplitude11"].astype(float), estimates.amplitudes[:, 2])
    # Origins in pixels follow, so that the two never contradict each other.
    np.testing.assert_allclose(found["rlnOriginX"].astype(float) * 1.3, estimates.poses.shifts[:, 0])
    np.testing.assert_allclose(found["rlnOriginXAngst"].astype(float), estimates.poses.shifts[:, 0])


def test_amplitudes_are_read_through_the_source(tmp_path, star_path, estimates):
    source = read_particles(star_path)
    write_particle_star(
        tmp_path / "out.star", table=source.table, optics_table=source.optics_table, estimates=estimates
    )
    found = read_particles(tmp_path / "out.star")
    torch.testing.assert_close(found.amplitudes((11, 7)), estimates.amplitudes[:, [2, 0]], atol=1e-6, rtol=0)
    assert found.amplitudes((7, 9)) is None


def test_rows_are_found_by_name(tmp_path, star_path, estimates):
    source = read_particles(star_path)
    shuffled = source.table.iloc[[3, 1, 5, 0, 2, 4]].reset_index(drop=True)
    write_particle_star(
        tmp_path / "out.star",
        table=shuffled.assign(rlnMark=np.arange(6)),
        optics_table=source.optics_table,
        estimates=estimates.select(torch.tensor([5, 1])),
    )
    found = read_particle_tables(tmp_path / "out.star").particles
    assert found["rlnImageName"].tolist() == ["000006@particles.mrcs", "000002@particles.mrcs"]
    assert found["rlnMark"].tolist() == ["2", "1"]


def test_an_image_of_another_set_is_told(tmp_path, star_path, estimates):
    source = read_particles(star_path)
    with pytest.raises(InputError, match=r"'000006@particles\.mrcs', which the particles do not"):
        write_particle_star(
            tmp_path / "out.star", table=source.table[:5], optics_table=source.optics_table, estimates=estimates
        )
    assert not (tmp_path / "out.star").exists()


def test_equal_tables_make_equal_files(tmp_path, names):
    table, optics_table = make_particle_table(names, pixel_size=1.3, box_size=8)
    for name in "ab":
        write_particle_star(tmp_path / name, table=table, optics_table=optics_table)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_new_set_has_one_optics_group_a_microscope(names, optics):
    voltage = torch.tensor([300.0, 300, 200, 300, 200, 200], dtype=torch.float64)
    mixed = type(optics)(voltage, *list(vars(optics).values())[1:])
    table, optics_table = make_particle_table(names, pixel_size=1.3, box_size=8, optics=mixed)
    assert table["rlnOpticsGroup"].tolist() == [1, 1, 2, 1, 2, 2]
    assert optics_table["rlnVoltage"].tolist() == [300, 200]
    assert optics_table["rlnImagePixelSize"].tolist() == [1.3, 1.3]
    assert "rlnVoltage" not in table.columns
    assert "rlnAngleRot" not in table.columns


def test_names_with_spaces_survive(tmp_path):
    table, optics_table = make_particle_table(["1@my images/a.mrcs"], pixel_size=1.0, box_size=8)
    write_particle_star(tmp_path / "a.star", table=table.assign(rlnOther=1.0), optics_table=optics_table)
    assert read_particle_tables(tmp_path / "a.star").names == ["1@my images/a.mrcs"]


def test_two_tables_of_images_are_refused(tmp_path):
    blocks = {name: pd.DataFrame({"rlnImageName": ["1@a.mrcs", "2@a.mrcs"]}) for name in ("first", "second")}
    starfile.write(blocks, tmp_path / "a.star")
    with pytest.raises(InputError, match=r"several tables of images \(first, second\)"):
        read_particle_tables(tmp_path / "a.star")


def test_an_optics_table_without_numbers_is_refused(tmp_path):
    blocks = {
        "optics": pd.DataFrame({"rlnVoltage": [300, 200]}),
        "particles": pd.DataFrame({"rlnImageName": ["1@a.mrcs", "2@a.mrcs"]}),
    }
    starfile.write(blocks, tmp_path / "a.star")
    with pytest.raises(InputError, match="data_optics without rlnOpticsGroup"):
        read_particle_tables(tmp_path / "a.star")
