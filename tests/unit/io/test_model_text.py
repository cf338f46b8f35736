from dataclasses import replace

import gemmi
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deephemnma.core.error import InputError
from deephemnma.io.model_text import format_thousandths
from deephemnma.io.structure import read_models, read_structure
from deephemnma.io.structure_writer import write_models


@given(st.lists(st.floats(-9999, 99999, allow_nan=False), min_size=1, max_size=30))
def test_numbers_are_written_as_c_writes_them(values):
    characters = format_thousandths(np.array(values), width=10)
    for value, row in zip(values, characters, strict=True):
        # where the thousandth is a tie, either neighbour is right
        assert abs(float(row.tobytes()) - value) <= 0.0005 + 1e-9
        assert row.tobytes().decode() == f"{float(row.tobytes()):10.3f}"


def test_what_does_not_fit_its_columns_is_refused():
    assert format_thousandths(np.array([-999.9994, 9999.999]), width=8).tobytes() == b"-999.9999999.999"
    for value in (-1000.0, 10_000.0):
        with pytest.raises(InputError, match=r"write mmCIF"):
            format_thousandths(np.array([value]), width=8)


@pytest.mark.parametrize("extension", ["pdb", "cif"])
def test_insertion_codes_chain_ends_and_serial_numbers_come_back(tmp_path, adenylate_kinase_path, extension):
    template = read_structure(adenylate_kinase_path)
    # Residues 51, 52, 52A and 52B; a second chain; sulphurs of another name.
    numbers, codes = template.residue_numbers.copy(), template.insertion_codes.astype("<U1")
    for number, code in ((53, "A"), (54, "B")):
        codes[numbers == number], numbers[numbers == number] = code, 52
    chains = np.where(template.residue_numbers > 150, "B", "A")
    changed = replace(template, residue_numbers=numbers, insertion_codes=codes, chains=chains)
    frames = template.positions + torch.tensor([0.0, 100.0, -900.0]).reshape(3, 1, 1)
    write_models(tmp_path / f"a.{extension}", changed, frames)
    for model, frame in zip(read_models(tmp_path / f"a.{extension}"), frames, strict=True):
        assert (model.positions - frame).abs().max() < 0.00051
        for field in ("elements", "atom_names", "residue_names", "residue_numbers", "insertion_codes", "chains"):
            assert (getattr(model, field) == getattr(changed, field)).all()
    text = (tmp_path / f"a.{extension}").read_text()
    if extension == "pdb":
        assert {len(line) for line in text.splitlines()} == {80}
        assert text.count("\nTER ") == 2 * text.count("\nMODEL ") == 6
    else:
        rows = gemmi.cif.read_string(text).sole_block().find("_atom_site.", ["id", "pdbx_PDB_model_num"])
        assert [int(row[0]) for row in rows] == list(range(1, 3 * len(template.elements) + 1))
        assert [int(row[1]) for row in rows] == [1 + row // len(template.elements) for row in range(len(rows))]


def test_residues_of_a_polymer_are_numbered_in_mmcif_with_gaps(tmp_path, adenylate_kinase_path):
    template = read_structure(adenylate_kinase_path)
    kept = template.take(template.residue_numbers != 100)
    write_models(tmp_path / "a.cif", kept, kept.positions[None])
    rows = gemmi.cif.read(str(tmp_path / "a.cif")).sole_block().find("_atom_site.", ["label_seq_id", "auth_seq_id"])
    assert len(rows) == len(kept.elements) == 1652
    assert all(row[0] == row[1] for row in rows)


def test_more_atoms_than_pdb_can_count_are_written(tmp_path, adenylate_kinase_path):
    # Serial numbers beyond 99,999 go on in base 36, as gemmi and ChimeraX read them.
    template, copies = read_structure(adenylate_kinase_path), 62
    many = template.take(np.tile(np.arange(len(template.elements)), copies))
    names = np.array([first + second for first in "ABCDEFGH" for second in "ABCDEFGH"])
    many = replace(many, chains=names[np.arange(len(many.elements)) // len(template.elements)])
    write_models(tmp_path / "a.pdb", many, many.positions[None])
    assert gemmi.read_structure(str(tmp_path / "a.pdb"))[0].count_atom_sites() == 62 * 1656
    assert "\nATOM  A0000  " in (tmp_path / "a.pdb").read_text()
