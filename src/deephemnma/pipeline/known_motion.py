"""A motion of the reference that is known: towards a second structure, or found in a second map."""

from dataclasses import fields
from pathlib import Path

import torch

from deephemnma.core.error import InputError
from deephemnma.io.motion import read_motion
from deephemnma.io.reference import holds_modes
from deephemnma.io.structure import read_structure
from deephemnma.modes.correspondence import Correspondence, match_sites
from deephemnma.modes.motion import Motion, make_motion
from deephemnma.pipeline.manifest import read_manifest
from deephemnma.pipeline.proposal import format_numbers
from deephemnma.pipeline.reference import Reference
from deephemnma.reference.site import select_sites
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.structure import StructureOptions

SAME_PLACE = 0.01
"""A. Sites farther apart are not the same."""


def find_motion(
    reference: Reference, options: ChoiceOptions, *, structure: StructureOptions
) -> tuple[Motion | None, dict[str, str]]:
    """Return the motion that the options name, if any, and what to say of it, name by name.

    Parameters
    ----------
    reference
        The molecule.
    options
        Where the motion is known from.
    structure
        How the sites were made from atoms.
    """
    if options.towards is not None:
        return _compare_structures(reference, options.towards, structure)
    if options.fit is not None:
        return _take_fit(reference, options.fit)
    return None, {}


def find_structure_options(path: Path, given: StructureOptions) -> StructureOptions:
    """Return how the sites were made from atoms: as `given`, or, of stored modes, as their manifest has it."""
    if not holds_modes(path):
        return given
    manifest = read_manifest(path if path.is_dir() else path.parent)
    if manifest is None or manifest.stage != "modes":
        return given
    stored = manifest.settings["molecule"].get("structure", {})
    known = {each.name for each in fields(StructureOptions)}
    options = StructureOptions(**{name: value for name, value in stored.items() if name in known})
    earlier = Path(manifest.settings["reference"])
    return find_structure_options(earlier, options) if earlier.exists() else options


def _compare_structures(reference: Reference, path: Path, structure: StructureOptions) -> tuple[Motion, dict[str, str]]:
    if reference.sites is None:
        raise InputError(
            f"--towards {path} cannot be compared with pseudoatoms, which have no names: fit the modes into a map of "
            "the second state with `deephemnma fit`, and give its folder as --fit."
        )
    end = read_structure(path)
    if structure.sites == "residue":  # other sites are atoms, and pair with them
        end = select_sites(end, structure.sites, residues_per_bead=structure.residues_per_bead)
    pairs = match_sites(reference.sites, end)
    start = reference.sites.positions[pairs.first]
    motion = make_motion(start, end.positions[pairs.second], sites=pairs.first, source=f"towards {path.name}")
    count = f"{len(motion.sites):,} of {reference.model.n_sites:,} sites that both have"
    told = {motion.source: f"RMSD {motion.rmsd:.2f} A over {count}"}
    return motion, told | _describe_chains(reference, pairs)


def _describe_chains(reference: Reference, pairs: Correspondence) -> dict[str, str]:
    told = {}
    if pairs.renamed:
        names = (f"{first} is {second}" for first, second in pairs.renamed.items())
        told["chains under other names there"] = ", ".join(names)
    absent = sorted(set(reference.sites.chains.tolist()) - set(pairs.chains))
    if absent:
        told["chains without a counterpart there"] = ", ".join(absent)
    return told


def _take_fit(reference: Reference, path: Path) -> tuple[Motion, dict[str, str]]:
    """Return the motion that a flexible fit has found, along the modes that it was given."""
    found = read_motion(path)
    positions = (reference.model.positions + reference.model.center).double()
    same = found.positions.shape == positions.shape
    if not same or float((found.positions - positions).norm(dim=-1).max()) > SAME_PLACE:
        raise InputError(
            f"--fit {path} is of other sites ({len(found.positions):,}) than the reference ({len(positions):,}), or of "
            "the same elsewhere: fit the same reference, made with the same options."
        )
    source = f"found in modes {format_numbers(tuple(sorted(found.numbers)))} by {path.name}"
    motion = Motion(torch.arange(len(positions)), positions, found.displacements.double(), source, found.numbers)
    if not motion.rmsd > 0:
        raise InputError(f"--fit {path} has found no motion: it says nothing about the modes.")
    numbers = ", ".join(
        f"{number}: {amplitude:+.0f} ± {sd:.0f}"
        for number, amplitude, sd in zip(
            found.numbers, found.amplitudes.tolist(), found.standard_deviations.tolist(), strict=True
        )
    )
    return motion, {f"motion {motion.source}": f"RMSD {motion.rmsd:.2f} A; amplitudes (A) {numbers}"}
