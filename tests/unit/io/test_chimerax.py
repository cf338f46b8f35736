from dataclasses import replace

import numpy as np
import pytest

from deephemnma.io.chimerax import View, write_attribute, write_map_script, write_movie_script
from deephemnma.io.structure import read_structure

COMMANDS = {"open", "set", "lighting", "graphics", "hide", "show", "cartoon", "style", "size", "color", "view"}
COMMANDS |= {"coordset", "volume", "vseries"}
VIEW = View(np.eye(3)[[1, 2, 0]], np.array([1.0, 2.0, 3.0]), 10.0)


def read_commands(path):
    comment, *lines = path.read_text().splitlines()
    assert comment.startswith("# ")
    assert {line.split()[0] for line in lines} <= COMMANDS
    return lines


@pytest.mark.parametrize("radius", [None, 1.9])
def test_a_movie_is_opened_coloured_seen_and_played(tmp_path, radius):
    write_movie_script(
        tmp_path / "a.cxc", ["a.pdb"], n_frames=21, attribute="a.defattr", greatest=6.5, view=VIEW, radius=radius
    )
    lines = read_commands(tmp_path / "a.cxc")
    assert lines[:2] == ["open a.pdb coordsets true", "open a.defattr"]
    assert any(line.startswith("color byattribute r:displacement #1 ") and "range 0,6.50" in line for line in lines)
    assert ("cartoon #1" in lines) == (radius is None)
    assert ("size #1 atomRadius 1.90" in lines) == (radius is not None)
    assert "coordset #1 1,21 loop 100 bounce true pauseFrames 3" in lines
    # The camera's matrix: its axes in columns, and where it stands.
    camera = next(line for line in lines if line.startswith("view matrix camera ")).rpartition(" ")[2]
    matrix = np.array([float(number) for number in camera.split(",")]).reshape(3, 4)
    assert np.allclose(matrix[:, :3].T, VIEW.axes)
    assert np.allclose(matrix[:, 3], [11.0, 2.0, 3.0])
    assert lines.index("view #1") > lines.index(f"view matrix camera {camera}")


def test_a_trajectory_is_opened_on_its_structure(tmp_path):
    files = ["topology.cif", "a.dcd"]
    write_movie_script(
        tmp_path / "a.cxc", files, n_frames=5, attribute="a.defattr", greatest=1.0, view=VIEW, radius=None
    )
    assert read_commands(tmp_path / "a.cxc")[:2] == ["open topology.cif", "open a.dcd structureModel #1"]


def test_maps_are_a_series_and_one_map_is_not(tmp_path):
    write_map_script(tmp_path / "a.cxc", ["group_1/map.mrc", "group_2/map.mrc"], level=0.0123456)
    lines = read_commands(tmp_path / "a.cxc")
    assert lines[0] == "open group_1/map.mrc group_2/map.mrc vseries true"
    assert "volume #1 style surface level 0.012346 step 1" in lines
    assert lines[-1].startswith("vseries play #1 loop true ")
    write_map_script(tmp_path / "a.cxc", ["group_1/map.mrc"], level=1.0)
    assert not any("vseries" in line for line in read_commands(tmp_path / "a.cxc"))


def test_each_residue_has_its_mean(tmp_path, adenylate_kinase_path):
    atoms = read_structure(adenylate_kinase_path)
    codes = np.where(atoms.residue_numbers == 53, "A", "")
    atoms = replace(atoms, insertion_codes=codes, residue_numbers=np.where(codes == "A", 52, atoms.residue_numbers))
    values = atoms.residue_numbers + 0.5 * (codes == "A")
    write_attribute(tmp_path / "a.defattr", atoms, values)
    lines = (tmp_path / "a.defattr").read_text().splitlines()
    assert lines[1:3] == ["attribute: displacement", "recipient: residues"]
    rows = [line.split("\t")[1:] for line in lines[3:]]
    assert len(rows) == 214
    assert [rows[place] for place in (0, 51, 52, 53)] == [
        ["/A:1", "1.000"],
        ["/A:52", "52.000"],
        ["/A:52A", "52.500"],
        ["/A:54", "54.000"],
    ]
