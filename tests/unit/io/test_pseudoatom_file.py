"""Pseudoatoms as PDB, ours and Xmipp's."""

from pathlib import Path

import gemmi
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.io.pseudoatom import is_pseudoatom_file, read_pseudoatoms, write_pseudoatoms

XMIPP = """REMARK xmipp_convert_vol2pseudo
REMARK fixedGaussian 2.500000
REMARK intensityColumn {column}
ATOM      1 DENS DENS    1      -0.500  -6.400-999.100{first:>6}{second:>6}      DENS
ATOM      2 DENS DENS    2     -15.000  -1.500  -4.950{first:>6}{second:>6}      DENS
"""


@pytest.fixture
def model(generator: torch.Generator) -> GaussianModel:
    return GaussianModel(
        positions=40 * torch.randn(50, 3, generator=generator, dtype=torch.float64),
        weights=1e5 * (0.01 + torch.rand(50, generator=generator, dtype=torch.float64)),
        widths=torch.full((50,), 3.54, dtype=torch.float64),
        center=torch.tensor([177.0, 170.5, -20.25], dtype=torch.float64),
    )


def test_pseudoatoms_come_back(tmp_path: Path, model: GaussianModel) -> None:
    write_pseudoatoms(tmp_path / "sites.pdb", model)
    assert is_pseudoatom_file(tmp_path / "sites.pdb")
    found = read_pseudoatoms(tmp_path / "sites.pdb")
    assert torch.allclose(found.positions, model.positions, atol=6e-4)
    assert torch.allclose(found.weights, model.weights, atol=6e-5 * float(model.weights.max()))
    assert torch.equal(found.widths, model.widths)
    assert torch.equal(found.center, model.center)


def test_other_readers_of_pdb_see_the_same(tmp_path: Path, model: GaussianModel) -> None:
    write_pseudoatoms(tmp_path / "sites.pdb", model)
    structure = gemmi.read_structure(str(tmp_path / "sites.pdb"))
    atoms = [site.atom for site in structure[0].all()]
    assert len(atoms) == 50
    places = torch.tensor([atom.pos.tolist() for atom in atoms], dtype=torch.float64)
    assert torch.allclose(places, model.positions + model.center, atol=6e-4)
    occupancies = torch.tensor([atom.occ for atom in atoms], dtype=torch.float64)
    assert torch.allclose(occupancies, model.weights / model.weights.max(), atol=6e-5)


@pytest.mark.parametrize(("column", "texts"), [("occupancy", ("0.11", "1")), ("Bfactor", ("1", "0.11"))])
def test_the_column_of_the_weights_is_the_one_named(tmp_path: Path, column: str, texts: tuple[str, str]) -> None:
    (tmp_path / "a.pdb").write_text(XMIPP.format(column=column, first=texts[0], second=texts[1]))
    found = read_pseudoatoms(tmp_path / "a.pdb")
    assert found.weights.tolist() == [0.11, 0.11]
    assert found.widths.tolist() == [2.5, 2.5]
    assert found.positions.tolist() == [[-0.5, -6.4, -999.1], [-15.0, -1.5, -4.95]]
    assert found.center.tolist() == [0, 0, 0]


def test_atoms_are_no_pseudoatoms(adenylate_kinase_path: Path, tmp_path: Path) -> None:
    assert not is_pseudoatom_file(adenylate_kinase_path)
    assert not is_pseudoatom_file(tmp_path / "none.pdb")
    with pytest.raises(InputError, match="lacks REMARK fixedGaussian"):
        read_pseudoatoms(adenylate_kinase_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2.500000", "wide", "wide"),
        ("occupancy", "charge", "intensityColumn other than"),
        ("  0.11", "  0.00", r"line 4 is not a pseudoatom of positive intensity"),
        (" -6.400", " -6.4x0", r"line 4 is not a pseudoatom"),
        ("ATOM ", "HETATM", "no ATOM line"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = XMIPP.format(column="occupancy", first="0.11", second="1")
    assert old in text
    (tmp_path / "a.pdb").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=words):
        read_pseudoatoms(tmp_path / "a.pdb")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "count"), [("pseudoBacteriorhodopsin.pdb", 519), ("volume_to_pseudoatoms_pseudo.pdb", 514)]
)
def test_files_of_xmipp_are_read(shared_data: Path, name: str, count: int) -> None:
    path = shared_data / "hemnma" / name
    assert is_pseudoatom_file(path)
    found = read_pseudoatoms(path)
    assert found.n_sites == count
    assert (found.widths == 1.5).all()
    assert 0.01 <= found.weights.min() < found.weights.max() <= 1.0
    assert 15 < found.radius < 40
