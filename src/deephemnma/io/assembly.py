"""Biological assemblies: the chains of a file, copied as the file tells."""

from collections import Counter
from dataclasses import fields, replace

import gemmi
import numpy as np

from deephemnma.core.error import InputError
from deephemnma.io.atom_table import AtomTable


def make_assembly(structure: gemmi.Structure, table: AtomTable, *, name: str, source: str) -> tuple[AtomTable, int]:
    """Return the atoms of a biological assembly, and the number of copies of the chain that is copied most.

    The first copy of a chain keeps its name, the second of ``A`` is ``A-2`` (as in the assembly files of the PDB).

    Raises
    ------
    InputError
        If the file describes no such assembly, or it has no part in the atoms of the table.
    """
    assemblies = {assembly.name: assembly for assembly in structure.assemblies}
    if name not in assemblies:
        has = f"has the assemblies {', '.join(assemblies)}" if assemblies else "describes no biological assembly"
        raise InputError(f"--assembly {name} was asked for, but {source} {has}: choose one, or leave --assembly out.")
    parts: list[AtomTable] = []
    copies: Counter[tuple[str, str]] = Counter()
    for generator in assemblies[name].generators:
        rows = np.flatnonzero(np.isin(table.chains, generator.chains) | np.isin(table.subchains, generator.subchains))
        if len(rows):
            parts += [_copy(table.take(rows), operator.transform, copies) for operator in generator.operators]
    if not parts:
        raise InputError(
            f"Assembly {name} of {source} has none of the selected atoms: leave out --select or --assembly."
        )
    joined = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(AtomTable)}
    return AtomTable(**joined), max(copies.values())


def _copy(part: AtomTable, motion: gemmi.Transform, copies: Counter[tuple[str, str]]) -> AtomTable:
    """Return the atoms moved, their chains named by how often they have come; `copies` counts on."""
    units, unit_of = np.unique(np.stack((part.chains, part.subchains)), axis=1, return_inverse=True)
    names = []
    for chain, subchain in units.T.tolist():
        copies[chain, subchain] += 1
        number = copies[chain, subchain]
        names.append(chain if number == 1 else f"{chain}-{number}")
    rotation, shift = np.array(motion.mat.tolist()), np.array(motion.vec.tolist())
    return replace(part, positions=part.positions @ rotation.T + shift, chains=np.array(names)[unit_of.reshape(-1)])
