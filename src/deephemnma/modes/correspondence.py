"""Which site of one structure is which of another."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel

SAME_CHAIN = 0.5
"""Share of a chain's sites that the other structure must have, under the same names, for chains to be the same."""
FEWEST = 3
NAMED_AT_MOST = 8

Key = tuple[int, str, str]
"""Residue number, insertion code, atom name."""


@dataclass(frozen=True)
class Correspondence:
    """Sites that two structures have in common.

    Attributes
    ----------
    first, second
        Their rows in either structure, pair by pair.
    chains
        Chain of the second structure for each chain of the first that has one.
    """

    first: Int[Tensor, "common"]
    second: Int[Tensor, "common"]
    chains: dict[str, str]

    @property
    def renamed(self) -> dict[str, str]:
        """The chains that go by another name in the second structure."""
        return {first: second for first, second in self.chains.items() if first != second}


def match_sites(first: AtomicModel, second: AtomicModel) -> Correspondence:
    """Pair the sites that have chain, residue number, insertion code and atom name in common.

    Sites that only one structure has are passed over. A chain that goes by another name in the second structure is
    found if only one there has the same residues, and is like no other of the first.

    Raises
    ------
    InputError
        If fewer than three sites pair.
    """
    chains_1, chains_2 = _split(first), _split(second)
    chains = _match_chains(first, second, chains_1, chains_2)
    pairs = [
        (row, chains_2[chains[chain]][key])
        for chain, sites in chains_1.items()
        if chain in chains
        for key, row in sites.items()
        if key in chains_2[chains[chain]]
    ]
    if len(pairs) < FEWEST:
        raise InputError(
            f"{first.source} (chains {_list(chains_1)}) and {second.source} (chains {_list(chains_2)}) have "
            f"{len(pairs)} sites in common by chain, residue number, residue name and atom name: give the chains and "
            "residues of the second file the names they have in the first."
        )
    rows = torch.tensor(sorted(pairs), dtype=torch.long)
    return Correspondence(rows[:, 0], rows[:, 1], chains)


def _split(atoms: AtomicModel) -> dict[str, dict[Key, int]]:
    """Return chain -> site -> row; of sites of one name the first."""
    chains: dict[str, dict[Key, int]] = {}
    columns = (atoms.chains, atoms.residue_numbers, atoms.insertion_codes, atoms.atom_names)
    for row, (chain, number, code, name) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        chains.setdefault(chain, {}).setdefault((number, code, name), row)
    return chains


def _match_chains(
    first: AtomicModel, second: AtomicModel, chains_1: dict[str, dict[Key, int]], chains_2: dict[str, dict[Key, int]]
) -> dict[str, str]:
    """Return the chain of the second structure for each of the first: of the same name, else the only one alike."""
    names = first.residue_names, second.residue_names
    same = {
        name
        for name in chains_1.keys() & chains_2.keys()
        if _compute_likeness(chains_1[name], chains_2[name], names) >= SAME_CHAIN
    }
    candidates = [
        (one, other)
        for one in chains_1
        for other in chains_2
        if one not in same
        and other not in same
        and _compute_likeness(chains_1[one], chains_2[other], names) >= SAME_CHAIN
    ]
    times = Counter(one for one, _ in candidates), Counter(other for _, other in candidates)
    renamed = {one: other for one, other in candidates if times[0][one] == times[1][other] == 1}
    return {name: name for name in same} | renamed


def _compute_likeness(
    first: dict[Key, int], second: dict[Key, int], residue_names: tuple[np.ndarray, np.ndarray]
) -> float:
    """Return which share of the sites of the smaller chain the other has, in residues of the same name."""
    common = first.keys() & second.keys()
    alike = sum(residue_names[0][first[key]] == residue_names[1][second[key]] for key in common)
    return alike / max(1, min(len(first), len(second)))


def _list(chains: dict[str, dict[Key, int]]) -> str:
    shown = ", ".join(list(chains)[:NAMED_AT_MOST])
    return shown + (" ..." if len(chains) > NAMED_AT_MOST else "")
