"""Which sites of a structure the elastic network and the projector see."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool

from deephemnma.core.error import InputError
from deephemnma.core.residue import name_residue, number_residues
from deephemnma.core.structure import WATERS, AtomicModel
from deephemnma.reference.residue_bead import make_residue_beads

HYDROGENS = ("H", "D", "T")


def select_sites(atoms: AtomicModel, sites: str, *, residues_per_bead: int = 1) -> AtomicModel:
    """Return the sites of a structure: all its atoms but waters and hydrogens, or beads.

    Waters are left out always: they do not move with the molecule's modes, and being loose they would make floppy ones.
    Ligands, ions and modified residues stay where `sites` keeps atoms and go where it keeps residues.

    Parameters
    ----------
    sites
        "heavy": atoms but hydrogens. "all": hydrogens too. "ca": the CA of amino acids. "ca-p": these and the P of
        nucleotides (one without a P, at a 5' end, has no bead). "residue": the centre of each residue of any kind,
        ligands, sugars and ions too. A bead carries the scattering of its whole residue, and its `spreads` is that of
        the residue's atoms about it.
    residues_per_bead
        With "residue": residues of a chain that share a bead, 1 or more;
        see :func:`~deephemnma.reference.residue_bead.make_residue_beads`.

    Raises
    ------
    InputError
        If `sites` is unknown or nothing is left.
    """
    dry = atoms.take(~np.isin(atoms.residue_names, WATERS))
    if sites == "all":
        chosen = dry
    elif sites == "heavy":
        chosen = dry.take(~np.isin(_upper(dry.elements), HYDROGENS))
    elif sites == "ca":
        chosen = _make_beads(dry, _find_alpha_carbons(dry))
    elif sites == "ca-p":
        chosen = _make_beads(dry, _find_alpha_carbons(dry) | _find_phosphorus(dry))
    elif sites == "residue":
        anchors = _find_alpha_carbons(dry) | _find_phosphorus(dry)
        chosen = make_residue_beads(dry, anchors, residues_per_bead=residues_per_bead)
    else:
        raise InputError(f'The sites (--sites) are "heavy", "all", "ca", "ca-p" or "residue", not "{sites}".')
    if len(chosen.elements) == 0:
        raise InputError(
            f'{atoms.source} has {len(atoms.elements)} atoms, but none of them is a site of kind "{sites}": '
            "choose other --sites."
        )
    return chosen


def make_site_names(atoms: AtomicModel) -> tuple[str, ...]:
    """Return a name for each site, such as ``A/LYS 12/CA``, for messages."""
    return tuple(f"{name_residue(atoms, row)}/{name}" for row, name in enumerate(atoms.atom_names))


def _make_beads(atoms: AtomicModel, mask: Bool[np.ndarray, "atoms"]) -> AtomicModel:
    """Keep the atoms of `mask`, each in place of all atoms of its residue."""
    residues = torch.from_numpy(number_residues(atoms))
    beads = torch.from_numpy(np.flatnonzero(mask))
    of_residue = residues[beads]
    n_residues = int(residues.max()) + 1 if len(residues) else 0
    n_beads = torch.bincount(of_residue, minlength=n_residues)
    # a residue number may hold two beads where the file told them apart by an insertion code: they share the residue
    centers = torch.zeros(n_residues, 3, dtype=torch.float64).index_add_(0, of_residue, atoms.positions[beads])
    centers = centers / n_beads.clamp_min(1)[:, None]
    total = torch.zeros(n_residues, dtype=torch.float64).index_add_(0, residues, atoms.scattering)
    square = (atoms.positions - centers[residues]).square().mean(dim=-1) * atoms.scattering
    spreads = (torch.zeros_like(total).index_add_(0, residues, square) / total.clamp_min(1e-12)).sqrt()
    kept = atoms.take(mask)
    return replace(kept, scattering=(total / n_beads.clamp_min(1))[of_residue], spreads=spreads[of_residue])


def _find_alpha_carbons(atoms: AtomicModel) -> Bool[np.ndarray, "atoms"]:
    """Mark the CA of residues with a backbone, or with nothing else (a CA trace): not calcium, not a ligand's CA."""
    named = (atoms.atom_names == "CA") & (_upper(atoms.elements) == "C")
    return named & (_are_in_residues_with(atoms, ("N", "C")) | _are_alone(atoms))


def _find_phosphorus(atoms: AtomicModel) -> Bool[np.ndarray, "atoms"]:
    """Mark the P of residues with a sugar, or with nothing else: not a phosphate ion's or a ligand's."""
    named = (atoms.atom_names == "P") & (_upper(atoms.elements) == "P")
    return named & (_are_in_residues_with(atoms, ("C1'",)) | _are_in_residues_with(atoms, ("C1*",)) | _are_alone(atoms))


def _are_in_residues_with(atoms: AtomicModel, names: tuple[str, ...]) -> Bool[np.ndarray, "atoms"]:
    residues = number_residues(atoms)
    held = [np.isin(residues, residues[atoms.atom_names == name]) for name in names]
    return np.logical_and.reduce(held)


def _are_alone(atoms: AtomicModel) -> Bool[np.ndarray, "atoms"]:
    residues = number_residues(atoms)
    return np.bincount(residues, minlength=1)[residues] == 1


def _upper(elements: np.ndarray) -> np.ndarray:
    return np.char.upper(elements.astype(str))
