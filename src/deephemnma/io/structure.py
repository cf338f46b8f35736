"""Atomic models from PDB and mmCIF files (plain or .gz)."""

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import WATERS, AtomicModel, StructureCounts
from deephemnma.io.alternate import find_other_conformations, find_repeated_atoms
from deephemnma.io.assembly import make_assembly
from deephemnma.io.atom_table import AtomTable, make_atom_table
from deephemnma.io.coordinate_file import read_coordinate_file
from deephemnma.io.element import check_elements, correct_elements
from deephemnma.io.form_factor import read_form_factors
from deephemnma.io.selection import select_atoms


def read_structure(
    path: Path | str, *, model: int | None = None, select: str | None = None, assembly: str | None = None
) -> AtomicModel:
    """Read one model of a PDB or mmCIF file.

    Atoms keep the order of the file. Every residue keeps one of its alternate conformations, the one of the highest
    mean occupancy (the first of equals). Atoms that the file gives twice are read once; atoms of zero occupancy,
    hydrogens, waters and ligands are kept. Elements that the file does not tell come from the names of the atoms.

    Parameters
    ----------
    path
        A PDB or mmCIF file, plain or gzipped; the content says which it is.
    model
        Number that the file gives the model; by default the first one is read.
    select
        Atoms to keep, in gemmi's selection language (``//A,B/10-120``); see :func:`~.selection.select_atoms`.
    assembly
        Name of a biological assembly of the file (``1``): the selected atoms are copied as it tells.

    Raises
    ------
    InputError
        If the file is missing, cannot be parsed or holds no atoms; has no such model or assembly; if the selection is
        none or takes nothing; if an atom has no coordinates or its element is not known.
    """
    structure = read_coordinate_file(path)
    chosen = _choose_model(structure, model, source=Path(path).name)
    return _make_atomic_model(structure, chosen, select=select, assembly=assembly, source=Path(path).name)


def read_models(path: Path | str, *, select: str | None = None) -> list[AtomicModel]:
    """Read all models of a PDB or mmCIF file; see :func:`read_structure`."""
    structure = read_coordinate_file(path)
    name = Path(path).name
    return [
        _make_atomic_model(structure, model, select=select, assembly=None, source=f"{name} model {model.num}")
        for model in structure
    ]


def _choose_model(structure: gemmi.Structure, number: int | None, *, source: str) -> gemmi.Model:
    if number is None:
        return structure[0]
    models = {model.num: model for model in structure}
    if number not in models:
        shown = ", ".join(str(each) for each in list(models)[:20]) + (" ..." if len(models) > 20 else "")
        raise InputError(f"--model {number} was asked for, but {source} has {len(models)} model(s): {shown}.")
    return models[number]


def _make_atomic_model(
    structure: gemmi.Structure, model: gemmi.Model, *, select: str | None, assembly: str | None, source: str
) -> AtomicModel:
    table = correct_elements(model, make_atom_table(model, source=source))
    n_atoms = table.n_atoms
    if select is not None:
        table = table.take(select_atoms(model, select, source=source))
    n_selected = table.n_atoms
    table = table.take(~find_other_conformations(table))
    n_single = table.n_atoms
    table = table.take(~find_repeated_atoms(table))
    counts = StructureCounts(
        models=len(structure),
        atoms=n_atoms,
        unselected=n_atoms - n_selected,
        alternates=n_selected - n_single,
        duplicates=n_single - table.n_atoms,
        waters=int(np.isin(table.residue_names, WATERS).sum()),
    )
    check_elements(table, source=source)
    if assembly is not None:
        table, copies = make_assembly(structure, table, name=assembly, source=source)
        counts = replace(counts, copies=copies)
    return _convert(table, counts, source)


def _convert(table: AtomTable, counts: StructureCounts, source: str) -> AtomicModel:
    return AtomicModel(
        positions=torch.from_numpy(table.positions),
        elements=table.elements,
        atom_names=table.atom_names,
        residue_names=table.residue_names,
        chains=table.chains,
        residue_numbers=table.residue_numbers,
        scattering=_compute_scattering(table.elements, source),
        b_factors=torch.from_numpy(table.b_factors),
        source=source,
        insertion_codes=table.insertion_codes,
        occupancies=torch.from_numpy(table.occupancies),
        counts=counts,
    )


def _compute_scattering(elements: np.ndarray, source: str) -> Float[Tensor, "atoms"]:
    """Return the form factors at zero angle, A."""
    try:
        return read_form_factors(elements)[0].sum(dim=-1)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
