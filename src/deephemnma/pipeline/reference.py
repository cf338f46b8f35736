"""What moves: the Gaussians of a structure or map, and its modes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from deephemnma.core.error import InputError
from deephemnma.core.model import Basis, GaussianModel, Modes
from deephemnma.core.structure import AtomicModel
from deephemnma.io.file_kind import MAP_SUFFIXES, find_suffix
from deephemnma.io.pseudoatom import is_pseudoatom_file
from deephemnma.io.reference import holds_modes, read_reference
from deephemnma.io.structure import read_structure
from deephemnma.modes.blocks import make_residue_blocks, make_space_blocks
from deephemnma.modes.force_field_choice import make_force_field
from deephemnma.modes.normal_modes import compute_modes, resolve_cutoff
from deephemnma.modes.rigid import N_RIGID
from deephemnma.pipeline.localized import warn_of_localized
from deephemnma.pipeline.map_model import make_map_model, read_pseudoatom_model
from deephemnma.pipeline.note import note
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.proposal import choose_modes
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.gaussian_fit import Likeness, fit_to_atoms
from deephemnma.reference.site import make_site_names, select_sites
from deephemnma.reference.target import Approximation
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.pseudoatom import PseudoatomOptions
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions

MODES_FILE = "modes.npz"
SITES_FILE = "sites.cif"
PSEUDOATOM_FILE = "sites.pdb"


@dataclass(frozen=True)
class Molecule:
    """What moves.

    Attributes
    ----------
    model
        Its Gaussians.
    sites
        What the Gaussians are in the file; None for pseudoatoms.
    likeness
        How alike projections are to those of all atoms; None where weights and widths were not fitted to these.
    approximation
        How well pseudoatoms stand for the map; None where they were not made from one just now.
    """

    model: GaussianModel
    sites: AtomicModel | None
    likeness: Likeness | None = None
    approximation: Approximation | None = None


@dataclass(frozen=True)
class Reference:
    """A molecule and its modes.

    Attributes
    ----------
    molecule
        What moves.
    modes
        Those asked for, in the order asked for.
    """

    molecule: Molecule
    modes: Modes

    @property
    def model(self) -> GaussianModel:
        """The molecule's Gaussians."""
        return self.molecule.model

    @property
    def sites(self) -> AtomicModel | None:
        """What the Gaussians are in the file; None for pseudoatoms."""
        return self.molecule.sites


def load_reference(options: ReferenceOptions) -> Reference:
    """Read the molecule, and read or compute the modes that `options` name."""
    _check_numbers(options)
    reference = read_or_compute_modes(options.reference, options.molecule)
    if not holds_modes(options.reference):
        warn_of_localized(reference.modes, reference.sites)
    numbers = options.mode_numbers
    if numbers is None:
        numbers = choose_modes(reference.modes, options.reference)
    return replace(reference, modes=select_modes(reference.modes, numbers))


def read_or_compute_modes(path: Path, options: MoleculeOptions) -> Reference:
    """Return the molecule with all modes: as stored by `deephemnma modes`, or computed from a structure or map."""
    if holds_modes(path):
        if options != MoleculeOptions():
            raise InputError(
                f"{path} holds modes that are computed already, so the options that say how a structure or map becomes "
                "modes (--sites, --cutoff, --n-modes, --width ...) cannot change them: leave these out, or take the "
                "structure or map itself as reference."
            )
        path = path / MODES_FILE if path.is_dir() else path
        model, modes = read_reference(path)
        sites = path.with_name(SITES_FILE)
        return Reference(Molecule(model, read_structure(sites) if sites.exists() else None), modes)
    molecule = load_molecule(path, options)
    return Reference(molecule, _compute_modes(molecule, options.network))


def load_molecule(path: Path, options: MoleculeOptions) -> Molecule:
    """Return the Gaussians of a structure or map."""
    if is_map(path):
        _check_unused(options.structure, f"{path} has no atoms")
        found = make_map_model(path, options.pseudoatoms, width=options.width)
        return Molecule(found.model, None, approximation=found.approximation)
    _check_unused(options.pseudoatoms, f"{path} is no map")
    if is_pseudoatom_file(path):
        _check_unused(options.structure, f"{path} has no atoms")
        return Molecule(read_pseudoatom_model(path, width=options.width), None)
    return _make_molecule(_read_structure(path, options.structure), options)


def _make_molecule(atoms: AtomicModel, options: MoleculeOptions) -> Molecule:
    chosen = options.structure
    sites = select_sites(atoms, chosen.sites, residues_per_bead=chosen.residues_per_bead)
    model = make_gaussian_model(sites, width=options.width, b_factors=chosen.file_b_factors)
    if chosen.bead_resolution is None:
        return Molecule(model, sites)
    resolution, b_factors = chosen.bead_resolution, chosen.file_b_factors
    with track_progress("weights and widths", 0.999) as advance:  # shares fall short of 1 by rounding
        model, likeness = fit_to_atoms(model, atoms, resolution=resolution, b_factors=b_factors, advance=advance)
    return Molecule(model, sites, likeness)


def _check_unused(options: StructureOptions | PseudoatomOptions, why: str) -> None:
    """Raise if any of `options` was given, for none has an effect."""
    given = [field.name for field in fields(options) if getattr(options, field.name) != field.default]
    if given:
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        raise InputError(f"{why}, to which {names} would apply: leave {names} out.")


def _read_structure(path: Path, options: StructureOptions) -> AtomicModel:
    return read_structure(path, model=options.model, select=options.select, assembly=options.assembly)


def _compute_modes(molecule: Molecule, options: NetworkOptions) -> Modes:
    force_field = make_force_field(options.force_field)
    cutoff = resolve_cutoff(
        molecule.model.positions.double().numpy(),
        cutoff=options.cutoff,
        relative_cutoff=options.relative_cutoff,
        reach=force_field.reach,
    )
    note("force field", options.force_field)
    note("cutoff (A)", cutoff)
    with track_progress("normal modes", 1.0) as advance:
        return compute_modes(
            molecule.model.positions,
            n_modes=options.n_modes,
            cutoff=cutoff,
            force_field=force_field,
            blocks=_make_blocks(molecule, options.block_residues),
            names=None if molecule.sites is None else make_site_names(molecule.sites),
            advance=advance,
        )


def _make_blocks(molecule: Molecule, block_residues: int | None) -> np.ndarray | None:
    if block_residues is None:
        return None
    if molecule.sites is None:
        return make_space_blocks(molecule.model.positions.numpy(), block_sites=block_residues)
    return make_residue_blocks(molecule.sites, block_residues=block_residues)


def select_modes(modes: Modes, numbers: Sequence[int]) -> Modes:
    """Return the modes with these numbers, in this order.

    Raises
    ------
    InputError
        If one is missing, or moves the molecule as a whole.
    """
    if modes.basis == Basis.NORMAL_MODES and min(numbers, default=N_RIGID + 1) <= N_RIGID:
        raise InputError(
            f"Normal modes (--modes) that deform start at 7, but {min(numbers)} was asked for: modes 1-6 move the "
            "molecule as a whole, which orientation and shift already do."
        )
    return modes.select(numbers)


def _check_numbers(options: ReferenceOptions) -> None:
    """Raise if modes are asked for that would not be computed, before minutes are spent on the others."""
    highest, computed = max(options.mode_numbers or (), default=0), options.molecule.network.n_modes
    if highest > computed and not holds_modes(options.reference):
        raise InputError(
            f"--modes {options.modes} asks for mode {highest}, but {computed} modes are computed: "
            f"give --n-modes {highest} or more."
        )


def is_map(path: Path) -> bool:
    """Return whether the file name is that of a map."""
    return find_suffix(path) in MAP_SUFFIXES
