"""Modes from elsewhere than an elastic network: an ensemble, or another program."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from deephemnma.core.error import InputError
from deephemnma.core.model import Basis, Modes
from deephemnma.io.reference import holds_modes
from deephemnma.io.vectors import read_vectors
from deephemnma.modes.ensemble import PrincipalComponents, compute_principal_components
from deephemnma.modes.imported import make_imported_modes
from deephemnma.pipeline.ensemble import open_ensemble
from deephemnma.pipeline.proposal import format_numbers
from deephemnma.pipeline.reference import (
    Molecule,
    Reference,
    is_map,
    load_molecule,
    read_or_compute_modes,
)
from deephemnma.settings.basis import BasisOptions
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions

SHOWN = 3


@dataclass(frozen=True)
class BasisFacts:
    """What is known of the modes besides what all have.

    Attributes
    ----------
    facts
        For the summary.
    columns
        For the table of the modes, a value each; names carry units.
    frames
        A row for each conformation of the ensemble; None without one.
    """

    facts: dict[str, Any]
    columns: dict[str, list[float]] = field(default_factory=dict)
    frames: pd.DataFrame | None = None


def read_or_make_modes(path: Path, options: MoleculeOptions, basis: BasisOptions) -> tuple[Reference, BasisFacts]:
    """Return the molecule with all modes of the basis that is asked for, and what is known of them.

    Raises
    ------
    InputError
        If `options` have no effect upon the basis, or its files do not fit the molecule.
    """
    if basis == BasisOptions():
        reference = read_or_compute_modes(path, options)
        return reference, BasisFacts({"modes": describe_modes(reference.modes)})
    option = "--vectors" if basis.vectors else "--ensemble"
    if holds_modes(path):
        raise InputError(f"{path} holds modes already, so {option} cannot give others: give the structure instead.")
    allowed = NetworkOptions() if basis.vectors else replace(NetworkOptions(), n_modes=options.network.n_modes)
    if options.network != allowed:
        raise InputError(
            f"With {option} there is no elastic network: leave out what says how it is made (--cutoff ...)."
        )
    if basis.vectors:
        molecule = load_molecule(path, options)
        modes, facts = _import_modes(molecule, basis.vectors)
    else:
        if is_map(path) or (molecule := load_molecule(path, options)).sites is None:
            raise InputError(f"{path} has no atoms: --ensemble needs a structure whose atoms the conformations share.")
        modes, facts = _compute_components(molecule, path, options, basis)
    return Reference(molecule, modes), facts


def describe_modes(modes: Modes) -> str:
    """Return the numbers of the modes and what they are."""
    kinds = {
        Basis.NORMAL_MODES: "normal modes, 1-6 are rigid",
        Basis.PRINCIPAL_COMPONENTS: "principal components about the reference",
        Basis.IMPORTED: "imported",
    }
    return f"{format_numbers(modes.numbers)} ({kinds[modes.basis]})"


def _import_modes(molecule: Molecule, path: Path) -> tuple[Modes, BasisFacts]:
    read = read_vectors(path)
    modes = make_imported_modes(
        molecule.model.positions,
        vectors=read.vectors,
        eigenvalues=read.eigenvalues,
        numbers=read.numbers,
        origin=read.positions,
    )
    facts = {"modes": f"{describe_modes(modes)} from {path.name}, scaled to unit norm"}
    left_out = tuple(number for number in read.numbers if number not in modes.numbers)
    if left_out:
        facts["left out"] = f"{format_numbers(left_out)}: they move the molecule as a whole"
    return modes, BasisFacts(facts)


def _compute_components(
    molecule: Molecule, path: Path, options: MoleculeOptions, basis: BasisOptions
) -> tuple[Modes, BasisFacts]:
    frames = open_ensemble(basis.ensemble, reference=path, sites=molecule.sites, options=options.structure)
    found = compute_principal_components(molecule.model.positions, frames, n_components=options.network.n_modes)
    names = [frames.name(number) for number in range(frames.n_frames)]
    return found.modes, _describe_components(found, names)


def _describe_components(found: PrincipalComponents, names: list[str]) -> BasisFacts:
    amplitudes, numbers = found.amplitudes, found.modes.numbers
    columns = {
        "share_of_displacement": found.shares,
        "cumulative_share": found.shares.cumsum(dim=0),
        "amplitude_lowest_angstrom": amplitudes.amin(dim=0),
        "amplitude_highest_angstrom": amplitudes.amax(dim=0),
        "amplitude_mean_angstrom": amplitudes.mean(dim=0),
        "amplitude_sd_angstrom": amplitudes.std(dim=0, correction=0),
    }
    table = pd.DataFrame({"frame": names, "rmsd_angstrom": found.distances.numpy()})
    for number, values in zip(numbers, amplitudes.T, strict=True):
        table[f"q{number}"] = values.numpy()
    distances = found.distances
    facts: dict[str, Any] = {
        "modes": f"{describe_modes(found.modes)} of {len(names):,} conformation{'s' * (len(names) > 1)}",
        "distance from the reference (A RMSD)": f"{float(distances.min()):.2f} to {float(distances.max()):.2f}",
    }
    root = found.modes.n_sites**0.5
    for row, number in enumerate(numbers[:SHOWN]):
        lowest, highest = float(amplitudes[:, row].min()), float(amplitudes[:, row].max())
        facts[f"component {number}"] = (
            f"{float(found.shares[row]):.1%} of the displacement; amplitudes {lowest:.0f} to {highest:.0f} A "
            f"({lowest / root:.2f} to {highest / root:.2f} A RMSD)"
        )
    return BasisFacts(facts, {name: values.tolist() for name, values in columns.items()}, table)
