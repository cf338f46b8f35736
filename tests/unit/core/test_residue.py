from dataclasses import replace

import numpy as np
import pytest
import torch

from deephemnma.core.residue import describe_structure, name_residue, number_residues
from deephemnma.core.structure import AtomicModel, StructureCounts


def make_atoms(*atoms: tuple[str, int, str, str, str], counts: StructureCounts | None = None) -> AtomicModel:
    """Make atoms from (chain, number, insertion code, residue name, atom name)."""
    chains, numbers, codes, residues, names = map(list, zip(*atoms, strict=True)) if atoms else ([], [], [], [], [])
    return AtomicModel(
        positions=torch.arange(3 * len(atoms), dtype=torch.float64).reshape(-1, 3),
        elements=np.array(["C"] * len(atoms)),
        atom_names=np.array(names, dtype=str),
        residue_names=np.array(residues, dtype=str),
        chains=np.array(chains, dtype=str),
        residue_numbers=np.array(numbers, dtype=int),
        scattering=torch.ones(len(atoms), dtype=torch.float64),
        b_factors=torch.zeros(len(atoms), dtype=torch.float64),
        source="made",
        insertion_codes=np.array(codes, dtype=str),
        counts=counts,
    )


@pytest.mark.parametrize(
    ("atoms", "wanted"),
    [
        ([("A", 1, "", "ALA", "N"), ("A", 1, "", "ALA", "CA"), ("A", 2, "", "ALA", "N")], [0, 0, 1]),
        # an insertion code tells two residues of one name and number apart
        ([("A", 52, "", "SER", "N"), ("A", 52, "A", "SER", "N"), ("A", 52, "A", "SER", "CA")], [0, 1, 1]),
        # hydrogens at the end of the file are of the first residue
        ([("A", 1, "", "ALA", "N"), ("A", 2, "", "ALA", "N"), ("A", 1, "", "ALA", "H")], [0, 1, 0]),
        # two copies in a chain without a name
        ([("", number, "", "ALA", "N") for number in (1, 2, 1, 2)], [0, 1, 2, 3]),
        # waters without numbers
        ([("A", 0, "", "HOH", name) for name in ("O", "H1", "H2", "O", "H1", "H2")], [0, 0, 0, 1, 1, 1]),
        # the second copy is more complete: its atom stays with it
        ([("", number, "", "ALA", name) for number, name in ((1, "N"), (2, "N"), (1, "N"), (1, "CB"))], [0, 1, 2, 2]),
        ([], []),
    ],
)
def test_residues_are_told_apart(atoms: list[tuple[str, int, str, str, str]], wanted: list[int]) -> None:
    assert number_residues(make_atoms(*atoms)).tolist() == wanted


def test_residues_are_called_by_chain_name_and_number() -> None:
    atoms = make_atoms(("A", 52, "", "SER", "N"), ("B", 52, "A", "LYS", "N"))
    assert [name_residue(atoms, row) for row in (0, 1)] == ["A/SER 52", "B/LYS 52A"]


def test_a_structure_is_described_with_what_was_left_out() -> None:
    counts = StructureCounts(models=3, atoms=1234, unselected=1000, alternates=2, duplicates=1, copies=2, waters=7)
    atoms = make_atoms(("A", 52, "", "SER", "N"), ("A", 52, "A", "SER", "N"), ("B", 1, "", "SER", "N"), counts=counts)
    assert describe_structure(atoms) == (
        "3 models, 2 chains, 3 residues, 3 of 1,234 atoms and their copies (of a chain up to 2) kept; left out: "
        "1,000 not selected, 2 of other conformations, 1 repeated, 7 of waters"
    )
    beads = replace(atoms, counts=replace(counts, copies=1, beads=True))
    assert describe_structure(beads).startswith("3 models, 2 chains, 3 beads of 1,234 atoms; left out: 1,000")
    assert describe_structure(make_atoms(("A", 1, "", "SER", "N"))) == "1 chain, 1 residue, 1 site"


def test_taking_atoms_takes_all_that_is_known_of_them() -> None:
    atoms = make_atoms(("A", 52, "", "SER", "N"), ("B", 52, "A", "LYS", "CA"), ("C", 3, "", "GLY", "O"))
    by_mask, by_rows = atoms.take(np.array([False, True, True])), atoms.take(np.array([2, 1]))
    assert by_mask.insertion_codes.tolist() == ["A", ""]
    assert by_rows.chains.tolist() == ["C", "B"]
    assert by_rows.positions.tolist() == [[6, 7, 8], [3, 4, 5]]
    assert by_rows.spreads is None
    assert by_rows.source == "made"
