import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.io.form_factor import read_form_factors
from deephemnma.io.structure import read_models, read_structure
from deephemnma.io.structure_writer import write_models

ALTERNATES = """\
ATOM      1  N   SER A   1       1.000   2.000   3.000  1.00 10.00           N
ATOM      2  CA ASER A   1       2.000   2.000   3.000  0.30 11.00           C
ATOM      3  CA BSER A   1       2.500   2.000   3.000  0.70 12.00           C
ATOM      4  CB ASER A   1       3.000   2.000   3.000  0.50 13.00           C
ATOM      5  CB BSER A   1       3.500   2.000   3.000  0.50 14.00           C
ATOM      6  H   SER A   1       0.500   2.000   3.000  1.00 10.00           H
END
"""


def test_adenylate_kinase_is_the_reference_of_the_paper(adenylate_kinase_path):
    atoms = read_structure(adenylate_kinase_path)
    assert len(atoms.elements) == 1656
    assert set(atoms.elements) == {"C", "N", "O", "S"}
    assert set(atoms.chains) == {"A"}
    assert (atoms.residue_numbers[0], atoms.residue_numbers[-1]) == (1, 214)
    assert (atoms.atom_names == "CA").sum() == 214
    assert atoms.positions.dtype == torch.float64
    assert atoms.source == "4ake_chain_a.pdb"
    # Bonds along the chain, N-CA: 1.46 A.
    pairs = torch.from_numpy(np.flatnonzero(atoms.atom_names == "CA"))
    bonds = (atoms.positions[pairs] - atoms.positions[pairs - 1]).norm(dim=1)
    assert float(bonds.mean()) == pytest.approx(1.46, abs=0.02)


@pytest.mark.shared_data
def test_the_packaged_structure_is_the_shared_one(adenylate_kinase_path, shared_data):
    packaged, shared = (
        read_structure(path) for path in (adenylate_kinase_path, shared_data / "structures/4ake_chainA.pdb")
    )
    # Both round to 0.001 A.
    assert (packaged.positions - shared.positions).abs().max() < 0.0015
    for field in ("elements", "atom_names", "residue_names", "residue_numbers", "chains"):
        assert (getattr(packaged, field) == getattr(shared, field)).all()


def test_scattering_factors_are_those_of_peng():
    # Peng et al. 1996, table 1, f(0) in A.
    found = read_form_factors(np.array(["H", "C", "N", "O", "P", "S"]))[0].sum(dim=-1)
    assert found.tolist() == pytest.approx([0.5288, 2.5088, 2.2135, 1.9834, 5.4876, 5.1604], abs=2e-4)
    with pytest.raises(InputError, match="'Nh'"):
        read_form_factors(np.array(["Nh"]))


def test_a_residue_keeps_its_likelier_conformation_as_a_whole(tmp_path):
    path = tmp_path / "a.pdb"
    path.write_text(ALTERNATES)
    atoms = read_structure(path)
    assert atoms.atom_names.tolist() == ["N", "CA", "CB", "H"]
    assert atoms.positions[:, 0].tolist() == [1.0, 2.5, 3.5, 0.5]
    assert atoms.b_factors.tolist() == [10, 12, 14, 10]
    assert (atoms.counts.atoms, atoms.counts.alternates) == (6, 2)
    assert atoms.elements.tolist() == ["N", "C", "C", "H"]


def test_compressed_files_are_read(tmp_path, adenylate_kinase_path):
    path = tmp_path / "a.pdb.gz"
    path.write_bytes(gzip.compress(adenylate_kinase_path.read_bytes()))
    assert torch.equal(read_structure(path).positions, read_structure(adenylate_kinase_path).positions)


@pytest.mark.parametrize("extension", ["pdb", "cif"])
def test_models_come_back(tmp_path, adenylate_kinase_path, generator, extension):
    template = read_structure(adenylate_kinase_path)
    frames = template.positions + torch.randn(3, 1, 3, generator=generator, dtype=torch.float64)
    write_models(tmp_path / f"a.{extension}", template, frames)
    models = read_models(tmp_path / f"a.{extension}")
    assert len(models) == 3
    for model, frame in zip(models, frames, strict=True):
        assert (model.positions - frame).abs().max() < 0.00051
        for field in ("elements", "atom_names", "residue_names", "residue_numbers", "chains"):
            assert (getattr(model, field) == getattr(template, field)).all()
    assert models[2].source == f"a.{extension} model 3"


def test_pseudoatoms_come_back_however_many(tmp_path, generator):
    # More than 9,999 residues must fit into PDB's four columns.
    frames = 100 * torch.randn(2, 12_000, 3, generator=generator, dtype=torch.float64)
    write_models(tmp_path / "a.pdb", None, frames)
    models = read_models(tmp_path / "a.pdb")
    assert len(models) == 2
    assert (models[1].positions - frames[1]).abs().max() < 0.00051
    assert models[1].residue_numbers[-1] == 12_000


def test_a_chain_that_comes_back_later_keeps_its_place(tmp_path, adenylate_kinase_path):
    template = read_structure(adenylate_kinase_path)
    chains = np.where(template.residue_numbers == 100, "B", "A")
    write_models(tmp_path / "a.cif", replace(template, chains=chains), template.positions[None])
    assert (read_structure(tmp_path / "a.cif").chains == chains).all()


def test_long_chain_names_are_refused_for_pdb(tmp_path, adenylate_kinase_path):
    template = read_structure(adenylate_kinase_path)
    long = replace(template, chains=np.full(len(template.elements), "ABC"))
    with pytest.raises(InputError, match=r"write a\.cif instead"):
        write_models(tmp_path / "a.pdb", long, template.positions[None])


def test_unknown_files_are_told(tmp_path, adenylate_kinase_path):
    with pytest.raises(InputError, match="no such file"):
        read_structure(tmp_path / "a.pdb")
    (tmp_path / "a.pdb").write_text("nothing of use\n")
    with pytest.raises(InputError, match=r"a\.pdb"):
        read_structure(tmp_path / "a.pdb")
    template = read_structure(adenylate_kinase_path)
    with pytest.raises(InputError, match=r"not as a\.xyz"):
        write_models(tmp_path / "a.xyz", template, template.positions[None])
