import gemmi
import numpy as np
import pytest
import torch
from structure_text import make_pdb_line, write_text

from deephemnma.core.error import InputError
from deephemnma.io.structure import read_models, read_structure

REMARK_350 = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A, B
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2  0.000000 -1.000000  0.000000       10.00000
REMARK 350   BIOMT2   2  1.000000  0.000000  0.000000       20.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000       30.00000
REMARK 350 BIOMOLECULE: 2
REMARK 350 APPLY THE FOLLOWING TO CHAINS: B
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
"""


@pytest.fixture
def path(tmp_path):
    """Chains A (residues 1-4), B (1-3, and 3A) of ALA, with N and CA, and a heme in A."""
    residues = [("A", number, "") for number in (1, 2, 3, 4)] + [
        ("B", 1, ""),
        ("B", 2, ""),
        ("B", 3, ""),
        ("B", 3, "A"),
    ]
    lines = [
        make_pdb_line(name, chain=chain, number=number, code=code, x=float(place), element=name.strip()[0])
        for place, (chain, number, code) in enumerate(residues)
        for name in (" N  ", " CA ")
    ]
    lines.append(make_pdb_line("FE  ", "HEM", number=90, x=50.0, element="FE", record="HETATM"))
    return write_text(tmp_path, [*REMARK_350.splitlines(), *lines])


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ("//A", "A1 A2 A3 A4 A90"),
        ("//A,B/2-3", "A2 A3 B2 B3"),
        ("//B/2-3.A", "B2 B3 B3A"),
        ("/1/B/3.A", "B3A"),
        ("B", "B1 B2 B3 B3A"),
        ("//A/1 //B/1", "A1 B1"),
        ("(HEM)", "A90"),
        ("not (HEM) //B", "B1 B2 B3 B3A"),
        ("//A not (HEM) not //A/2-3", "A1 A4"),
        ("not //A", "B1 B2 B3 B3A"),
        ("//!A", "B1 B2 B3 B3A"),
        ("//*/2", "A2 B2"),
    ],
)
def test_selections_take_residues(path, selection, wanted):
    atoms = read_structure(path, select=selection)
    columns = atoms.chains.tolist(), atoms.residue_numbers.tolist(), atoms.insertion_codes.tolist()
    assert list(dict.fromkeys(f"{a}{b}{c}" for a, b, c in zip(*columns, strict=True))) == wanted.split()
    assert atoms.counts.unselected == 17 - len(atoms.elements)


def test_selections_take_atoms_and_elements(path):
    assert set(read_structure(path, select="//*//CA").atom_names) == {"CA"}
    assert set(read_structure(path, select="[N]").atom_names) == {"N"}
    assert read_models(path, select="//B/1")[0].positions[:, 0].tolist() == [4, 4]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("//C", r"--select '//C' takes no atom of made\.pdb, model 1, with the chains A, B: see --select '//A,B"),
        ("//A and //B", r"--select 'and' takes no atom"),
        ("/2/A", r"takes no atom"),
        ("//A/x-y", r"is no selection \(Invalid selection syntax"),
        ("[C", r"is no selection"),
        ("", r"names no atoms: write it as in --select '//A"),
        ("not", r"names no atoms"),
        ("//A not //A", r"leaves no atom of made\.pdb"),
    ],
)
def test_selections_that_take_nothing_are_told(path, selection, message):
    with pytest.raises(InputError, match=message):
        read_structure(path, select=selection)


def test_assemblies_are_those_of_gemmi(path):
    structure = gemmi.read_structure(str(path))
    for assembly, names in (("1", ["A", "A-2", "B", "B-2"]), ("2", ["B"])):
        atoms = read_structure(path, assembly=assembly)
        wanted = gemmi.make_assembly(
            structure.assemblies[int(assembly) - 1], structure[0], gemmi.HowToNameCopiedChain.Dup
        )
        places = np.array(sorted(cra.atom.pos.tolist() for cra in wanted.all()))
        assert np.allclose(np.array(sorted(atoms.positions.tolist())), places, atol=1e-9)
        assert sorted(set(atoms.chains)) == names


def test_a_copied_chain_is_moved_as_the_file_says(path):
    atoms = read_structure(path, assembly="1", select="//A")
    first, second = (atoms.positions[torch.from_numpy(atoms.chains == name)] for name in ("A", "A-2"))
    x, y, z = first.T
    assert torch.allclose(second, torch.stack((10 - y, 20 + x, 30 + z), dim=1))
    assert (atoms.counts.copies, len(atoms.elements)) == (2, 18)


def test_assemblies_that_are_not_there_are_told(path, adenylate_kinase_path):
    with pytest.raises(InputError, match=r"--assembly 3 was asked for, but made\.pdb has the assemblies 1, 2"):
        read_structure(path, assembly="3")
    with pytest.raises(InputError, match="describes no biological assembly"):
        read_structure(adenylate_kinase_path, assembly="1")
    with pytest.raises(InputError, match=r"Assembly 2 of made\.pdb has none of the selected atoms"):
        read_structure(path, assembly="2", select="//A")
