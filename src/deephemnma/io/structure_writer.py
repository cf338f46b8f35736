"""Multi-model PDB and mmCIF files: frames of an animation."""

from pathlib import Path

import gemmi
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.io.atomic import write_beside
from deephemnma.io.model_text import make_cif_text, make_pdb_text


def write_models(path: Path | str, template: AtomicModel | None, frames: Float[Tensor, "frames sites 3"]) -> None:
    """Write one model a frame.

    Parameters
    ----------
    path
        Ends in ``.pdb`` or ``.cif``.
    template
        Says what the sites are; None writes each site as a pseudoatom (carbon ``C`` of its own residue ``PSD``).
    frames
        Coordinates, A, in the frame of the file that the template was read from.

    Raises
    ------
    InputError
        If the extension is not known, or chain names are too long for PDB.
    """
    path = Path(path)
    is_pdb = path.suffix == ".pdb"
    template = describe_pseudoatoms(frames.shape[1]) if template is None else template
    if len(template.elements) != frames.shape[1]:
        raise ValueError(f"the template has {len(template.elements)} sites, the frames have {frames.shape[1]}")
    if is_pdb:
        _check_chains(template, path)
    elif path.suffix != ".cif":
        raise InputError(f"Models are written as .pdb or .cif, not as {path.name}: change the extension.")
    structure = _make_structure(template)
    text = make_pdb_text(structure) if is_pdb else make_cif_text(structure, n_models=len(frames))
    with write_beside(path) as temporary, temporary.open("wb") as file:
        file.write(text.head)
        for number, positions in enumerate(frames.detach().cpu().numpy().astype(np.float64), start=1):
            file.write(text.fill(positions, number=number))
        file.write(text.tail)


def describe_pseudoatoms(n_sites: int) -> AtomicModel:
    """Return what files call pseudoatoms: carbons ``C``, each of its own residue ``PSD``, at the origin."""
    return AtomicModel(
        positions=torch.zeros(n_sites, 3, dtype=torch.float64),
        elements=np.full(n_sites, "C"),
        atom_names=np.full(n_sites, "C"),
        residue_names=np.full(n_sites, "PSD"),
        chains=np.full(n_sites, "A"),
        residue_numbers=np.arange(1, n_sites + 1),
        scattering=torch.ones(n_sites, dtype=torch.float64),
        b_factors=torch.zeros(n_sites, dtype=torch.float64),
        source="pseudoatoms",
    )


def _check_chains(template: AtomicModel, path: Path) -> None:
    long = [name for name in np.unique(template.chains) if len(name) > 2]
    if long:
        raise InputError(
            f"Chain {long[0]!r} of {template.source} has a name longer than the two letters of PDB: "
            f"write {path.with_suffix('.cif').name} instead of {path.name}."
        )


def _make_structure(template: AtomicModel) -> gemmi.Structure:
    structure = gemmi.Structure()
    structure.add_model(_make_model(template))
    structure.setup_entities()
    for chain in structure[0]:
        _number_sequence(chain)
    return structure


def _number_sequence(chain: gemmi.Chain) -> None:
    """Count the residues of a polymer from 1, with gaps where the file's numbers have them.

    Programs take residues of mmCIF without these numbers for ligands, and draw no bonds between them.
    """
    number, before = 0, None
    for residue in chain.get_polymer():
        gap = 1 if before is None else residue.seqid.num - before
        number, before = number + max(1, gap), residue.seqid.num
        residue.label_seq = number


def _make_model(template: AtomicModel) -> gemmi.Model:
    """Return the template's atoms in their order: a chain or residue that comes back later gets a second entry."""
    model = gemmi.Model(1)
    chain_name, residue_key = None, None
    for row, element in enumerate(template.elements):
        key = _get_residue(template, row)
        if template.chains[row] != chain_name:
            chain_name, residue_key = template.chains[row], None
            chain = model.add_chain(gemmi.Chain(str(chain_name)))
        if key != residue_key:
            residue_key = key
            residue = chain.add_residue(_make_residue(template, row))
        atom = gemmi.Atom()
        atom.name = str(template.atom_names[row])
        atom.element = gemmi.Element(str(element))
        atom.occ, atom.b_iso = 1.0, float(template.b_factors[row])
        residue.add_atom(atom)
    return model


def _get_residue(template: AtomicModel, row: int) -> tuple[str, ...]:
    labels = (template.chains, template.residue_numbers, template.insertion_codes, template.residue_names)
    return tuple(str(label[row]) for label in labels)


def _make_residue(template: AtomicModel, row: int) -> gemmi.Residue:
    residue = gemmi.Residue()
    residue.name = str(template.residue_names[row])
    residue.seqid = gemmi.SeqId(int(template.residue_numbers[row]), str(template.insertion_codes[row]) or " ")
    return residue
