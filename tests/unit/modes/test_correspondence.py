from dataclasses import replace

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.modes.correspondence import match_sites

LETTERS = {"A": "MKTAYIAKQR", "B": "GLSDGEWQLV"}


def make_chains(chains: str, *, source: str = "first.pdb") -> AtomicModel:
    """CA and CB of ten residues a chain; chains a and b have the residues of A and B."""
    rows = [
        (chain, number, letter, name)
        for chain in chains
        for number, letter in enumerate(LETTERS[chain.upper()], start=1)
        for name in ("CA", "CB")
    ]
    chain, number, residue, name = (np.array(column) for column in zip(*rows, strict=True))
    return AtomicModel(
        positions=torch.zeros(len(rows), 3, dtype=torch.float64),
        elements=np.full(len(rows), "C"),
        atom_names=name,
        residue_names=residue,
        chains=chain,
        residue_numbers=number,
        scattering=torch.ones(len(rows)),
        b_factors=torch.zeros(len(rows)),
        source=source,
    )


def test_gaps_and_order_do_not_matter() -> None:
    first = make_chains("AB")
    kept = torch.tensor([30, 5, 6, 12, 2])
    found = match_sites(first, first.take(kept.numpy()))
    assert found.first.tolist() == sorted(kept.tolist())
    assert torch.equal(kept[found.second], found.first)
    assert found.renamed == {}


def test_chains_under_other_names_are_found() -> None:
    found = match_sites(make_chains("AB"), make_chains("ba"))
    assert found.chains == {"A": "a", "B": "b"}
    assert found.renamed == {"A": "a", "B": "b"}
    assert len(found.first) == 40
    assert found.second[0] == 20


def test_swapped_names_are_seen_through() -> None:
    second = make_chains("AB")
    second = replace(second, chains=np.where(second.chains == "A", "B", "A"))
    assert match_sites(make_chains("AB"), second).renamed == {"A": "B", "B": "A"}


def test_copies_under_other_names_are_not_guessed() -> None:
    dimer = make_chains("AB")
    dimer = replace(dimer, residue_names=np.tile(dimer.residue_names[:20], 2))
    other = replace(dimer, chains=np.char.lower(dimer.chains), source="second.pdb")
    with pytest.raises(InputError, match=r"first\.pdb \(chains A, B\) and second\.pdb \(chains a, b\)"):
        match_sites(dimer, other)


def test_residues_of_one_number_differ_by_insertion_code() -> None:
    first = make_chains("A")
    codes = np.full(20, "")
    codes[2:4] = "A"
    numbers = first.residue_numbers.copy()
    numbers[2:] -= 1
    inserted = replace(first, insertion_codes=codes, residue_numbers=numbers)
    found = match_sites(inserted, inserted)
    assert torch.equal(found.first, found.second)
    assert len(found.first) == 20


def test_a_shifted_numbering_is_refused() -> None:
    first = make_chains("A")
    with pytest.raises(InputError, match="0 sites in common"):
        match_sites(first, replace(first, residue_numbers=first.residue_numbers + 3))
