"""Atomic models from PDB and mmCIF files (plain or .gz)."""

from functools import cache
from pathlib import Path

import gemmi
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.io.atomic import require_file

PSEUDOATOM_NAME = "DENS"  # Xmipp's name for a pseudoatom; gemmi would take it for deuterium


def read_structure(path: Path | str) -> AtomicModel:
    """Read the first model of a PDB or mmCIF file.

    Of alternate locations the one of highest occupancy is kept (the first of equals). Hydrogens, waters and ligands
    are kept.

    Parameters
    ----------
    path
        ``.pdb``, ``.ent``, ``.cif`` or ``.mmcif``, also with ``.gz``.

    Raises
    ------
    InputError
        If the file is missing, cannot be parsed or holds no atoms.
    """
    path = require_file(path, "an atomic model")
    return _make_atomic_model(_parse(path)[0], source=path.name)


def read_models(path: Path | str) -> list[AtomicModel]:
    """Read all models of a PDB or mmCIF file; see :func:`read_structure`."""
    path = require_file(path, "an atomic model")
    return [
        _make_atomic_model(model, source=f"{path.name} model {number}")
        for number, model in enumerate(_parse(path), start=1)
    ]


@cache
def compute_scattering(element: str) -> float:
    """Return the electron scattering factor at zero angle, A, of an element (sum of Peng's 1996 coefficients).

    Peng, Ren, Dudarev & Whelan (1996), Acta Cryst. A52, 257: the five amplitudes of table 1.

    Raises
    ------
    InputError
        If the table has no such element.
    """
    coefficients = gemmi.Element(element).c4322
    if coefficients is None:
        raise InputError(f"No electron scattering factor is known for element {element!r}: correct the element column.")
    return float(sum(coefficients.a))


def _parse(path: Path) -> gemmi.Structure:
    try:
        # Chain parts are not merged, so that atoms keep the order of the file.
        structure = gemmi.read_structure(str(path), merge_chain_parts=False)
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as an atomic model ({error}): give a PDB or mmCIF file, plain or .gz."
        ) from None
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise InputError(f"{path} holds no atoms: give a PDB or mmCIF file with at least one model.")
    return structure


def _select_atoms(model: gemmi.Model) -> list[gemmi.CRA]:
    """Return one atom a site, in file order."""
    sites: dict[tuple, gemmi.CRA] = {}
    for order, cra in enumerate(model.all()):
        alternate = cra.atom.has_altloc()
        key = (cra.chain.name, str(cra.residue.seqid), cra.atom.name) if alternate else order
        kept = sites.get(key)
        if kept is None or cra.atom.occ > kept.atom.occ:
            sites[key] = cra
    return list(sites.values())


def _make_atomic_model(model: gemmi.Model, *, source: str) -> AtomicModel:
    atoms = _select_atoms(model)
    elements = ["X" if cra.atom.name == PSEUDOATOM_NAME else cra.atom.element.name for cra in atoms]
    positions = torch.tensor([cra.atom.pos.tolist() for cra in atoms], dtype=torch.float64)
    if not positions.isfinite().all():
        raise InputError(f"{source} has atoms without coordinates: remove them from the file.")
    return AtomicModel(
        positions=positions,
        elements=np.array(elements),
        atom_names=np.array([cra.atom.name for cra in atoms]),
        residue_names=np.array([cra.residue.name for cra in atoms]),
        chains=np.array([cra.chain.name for cra in atoms]),
        residue_numbers=np.array([cra.residue.seqid.num for cra in atoms]),
        scattering=_compute_all_scattering(elements, source),
        b_factors=torch.tensor([cra.atom.b_iso for cra in atoms], dtype=torch.float64),
        source=source,
    )


def _compute_all_scattering(elements: list[str], source: str) -> Float[Tensor, "atoms"]:
    try:
        return torch.tensor([compute_scattering(element) for element in elements], dtype=torch.float64)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
