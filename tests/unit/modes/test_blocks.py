import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.modes.blocks import make_residue_blocks, make_space_blocks


def make_trace(
    places: list[float],
    *,
    chains: str | None = None,
    numbers: list[int] | None = None,
    names: list[str] | None = None,
    elements: list[str] | None = None,
    codes: list[str] | None = None,
) -> AtomicModel:
    """One atom a residue, on a line, at these places (A)."""
    n_atoms = len(places)
    positions = torch.zeros(n_atoms, 3, dtype=torch.float64)
    positions[:, 0] = torch.tensor(places, dtype=torch.float64)
    atom_names = np.array(names or ["CA"] * n_atoms)
    return AtomicModel(
        positions=positions,
        elements=np.array(elements or [name[0] for name in atom_names]),
        atom_names=atom_names,
        residue_names=np.full(n_atoms, "ALA"),
        chains=np.array(list(chains or "A" * n_atoms)),
        residue_numbers=np.array(numbers or range(1, n_atoms + 1)),
        scattering=torch.ones(n_atoms, dtype=torch.float64),
        b_factors=torch.zeros(n_atoms, dtype=torch.float64),
        source="made up",
        **({} if codes is None else {"insertion_codes": np.array(codes)}),
    )


def steps(*lengths: float) -> list[float]:
    return [0.0, *np.cumsum(lengths).tolist()]


def test_blocks_are_runs_of_residues_and_end_with_the_chain() -> None:
    atoms = make_trace(steps(*[3.8] * 7), chains="AAAAABBB")
    assert make_residue_blocks(atoms, block_residues=2).tolist() == [0, 0, 1, 1, 2, 3, 3, 4]
    assert make_residue_blocks(atoms, block_residues=1).tolist() == list(range(8))
    assert make_residue_blocks(atoms, block_residues=20).tolist() == [0] * 5 + [1] * 3


def test_atoms_of_a_residue_stay_together() -> None:
    atoms = make_trace(
        [0.0, 1.5, 2.0, 3.8, 5.3], numbers=[1, 1, 1, 2, 2], names=["CA", "C", "O", "CA", "C"], elements=list("CCOCC")
    )
    assert make_residue_blocks(atoms, block_residues=1).tolist() == [0, 0, 0, 1, 1]


def test_a_gap_is_a_distance_not_a_number() -> None:
    broken = make_trace(steps(3.8, 3.8, 9.0, 3.8, 3.8))
    assert make_residue_blocks(broken, block_residues=4).tolist() == [0, 0, 0, 1, 1, 1]
    skipped = make_trace(steps(*[3.8] * 5), numbers=[1, 2, 3, 30, 31, 32])
    assert make_residue_blocks(skipped, block_residues=4).tolist() == [0, 0, 0, 0, 1, 1]


def test_insertion_codes_cut_nothing() -> None:
    atoms = make_trace(steps(*[3.8] * 4), numbers=[51, 52, 52, 52, 53], codes=["", "", "A", "B", ""])
    assert make_residue_blocks(atoms, block_residues=3).tolist() == [0, 0, 0, 1, 1]


def test_a_nucleotide_without_phosphate_goes_by_its_number() -> None:
    """The 5' end has a sugar only; a P is 6 A from the next."""
    places, names = steps(5.0, 6.0, 6.1, 6.0), ["C1'", "P", "P", "P", "P"]
    assert make_residue_blocks(make_trace(places, names=names), block_residues=5).tolist() == [0] * 5
    skipped = make_trace(places, names=names, numbers=[1, 3, 4, 5, 6])
    assert make_residue_blocks(skipped, block_residues=5).tolist() == [0, 1, 1, 1, 1]


def test_proteins_nucleic_acids_and_ligands_never_share_a_block() -> None:
    names = ["CA", "CA", "P", "P", "ZN", "CA", "C7", "O7"]
    elements = ["C", "C", "P", "P", "ZN", "CA", "C", "O"]  # the third CA is calcium
    atoms = make_trace(steps(3.8, 6, 6, 5, 5, 5, 1.2), names=names, elements=elements, numbers=[1, 2, 3, 4, 5, 6, 7, 7])
    assert make_residue_blocks(atoms, block_residues=10).tolist() == [0, 0, 1, 1, 2, 3, 4, 4]


def test_a_block_has_a_residue() -> None:
    with pytest.raises(InputError, match="--block-residues"):
        make_residue_blocks(make_trace([0.0]), block_residues=0)


def test_regions_are_compact_and_of_equal_size(cloud: torch.Tensor) -> None:
    positions = cloud.numpy()
    blocks = make_space_blocks(positions, block_sites=8)
    assert sorted(np.bincount(blocks)) == [7] * 4 + [8] * 4
    within = [positions[blocks == block].std(axis=0).max() for block in range(8)]
    assert max(within) < positions.std(axis=0).min()
