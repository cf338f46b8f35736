"""Every structure of the shared data."""

import pytest

from deephemnma.core.residue import number_residues
from deephemnma.io.structure import read_structure

pytestmark = pytest.mark.shared_data

# atoms read, chains, residues, residues with insertion codes, atoms of other conformations, atoms of waters
TABLE = {
    "structures/1WCM_map_fitted.pdb": (30_945, 12, 3912, 0, 0, 0),
    "structures/1ake_chainA.pdb": (1656, 1, 214, 0, 5, 0),
    "structures/1hzh.pdb": (10_647, 6, 1420, 30, 0, 71),
    "structures/1oel.pdb": (27_078, 7, 3817, 0, 0, 149),
    "structures/4ake_chainA.pdb": (1656, 1, 214, 0, 0, 0),
    "structures/4v5d_70S_ribosome.cif.gz": (148_020, 57, 11_303, 83, 0, 0),
    "structures/5fj6.pdb": (5266, 1, 665, 0, 0, 0),
    "structures/6zu5_80S_ribosome.cif.gz": (165_175, 74, 14_406, 0, 0, 0),
    "hemnma/pseudoBacteriorhodopsin.pdb": (519, 1, 519, 0, 0, 0),
    "hemnma/volume_to_pseudoatoms_pseudo.pdb": (514, 1, 514, 0, 0, 0),
    "modes/elnemo/4ake_A_heavy.pdb": (1656, 1, 214, 0, 0, 0),
    "modes/springcraft/1l2y.pdb": (304, 1, 20, 0, 0, 0),
    "modes/springcraft/7cal.pdb": (13_860, 4, 1776, 0, 0, 0),
}


@pytest.mark.parametrize("name", TABLE)
def test_shared_structures_are_read(shared_data, name):
    atoms = read_structure(shared_data / name)
    residues = number_residues(atoms)
    with_code = set(residues[atoms.insertion_codes != ""].tolist())
    found = (
        len(atoms.elements),
        len(set(atoms.chains.tolist())),
        int(residues.max()) + 1,
        len(with_code),
        atoms.counts.alternates,
        atoms.counts.waters,
    )
    assert found == TABLE[name]
    assert len(atoms.elements) + atoms.counts.alternates == atoms.counts.atoms
    assert ("X" in atoms.elements) == name.startswith("hemnma")


def test_the_table_is_complete(shared_data):
    folders = ("structures", "hemnma", "modes/elnemo", "modes/springcraft")
    paths = [path for folder in folders for path in (shared_data / folder).iterdir()]
    kinds = (".pdb", ".cif", ".gz")
    files = {str(path.relative_to(shared_data)) for path in paths if path.suffix in kinds and ".csv" not in path.name}
    assert files == set(TABLE)


def test_the_assembly_of_groel_has_two_rings(shared_data):
    ring = read_structure(shared_data / "structures/1oel.pdb", select="not (HOH)")
    both = read_structure(shared_data / "structures/1oel.pdb", select="not (HOH)", assembly="1")
    assert len(both.elements) == 2 * len(ring.elements)
    assert len(set(both.chains)) == 14
    center, first, second = (m.mean(dim=0) for m in (both.positions, *both.positions.chunk(2)))
    # the rings stand back to back, 80 A apart
    assert float((first - second).norm()) == pytest.approx(80, abs=15)
    assert float((first + second - 2 * center).norm()) < 1e-6
