"""From amplitudes to the coordinates that are shown."""

from collections.abc import Callable
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import Modes
from deephemnma.core.structure import AtomicModel
from deephemnma.io.pseudoatom import is_pseudoatom_file
from deephemnma.modes.deformation import displace_blocks, make_rigid_blocks
from deephemnma.pipeline.reference import Reference, is_map
from deephemnma.settings.animation import DeformationOptions


def displace_reference(
    reference: Reference,
    amplitudes: Float[Tensor, "frames modes"],
    *,
    modes: Modes | None = None,
    options: DeformationOptions,
    advance: Callable[[int], None] = lambda done: None,
) -> Float[Tensor, "frames sites 3"]:
    """Return the reference's positions, A, relative to its centre, at each row of amplitudes.

    Parameters
    ----------
    reference
        The molecule.
    amplitudes
        A, one column a mode.
    modes
        The modes of the columns; by default those of the reference.
    options
        Straight lines, or rigid blocks.
    advance
        Told of the frames done.

    Raises
    ------
    InputError
        If blocks are asked for of what has no residues.
    """
    modes, model = reference.modes if modes is None else modes, reference.model
    check_deformation(reference, options)
    linear = modes.displace(model.positions, amplitudes)
    if options.deformation == "linear" or reference.sites is None:
        advance(len(linear))
        return linear
    rigid = make_rigid_blocks(reference.sites, positions=model.positions, n_residues=options.deformation_residues)
    return displace_blocks(rigid, linear - model.positions, advance=advance)


def check_file(path: Path, options: DeformationOptions) -> None:
    """Raise if `options` ask for blocks of residues, and the file can have none, before it is made into anything."""
    if is_map(path) or is_pseudoatom_file(path):
        _require_residues(None, options)


def check_deformation(reference: Reference, options: DeformationOptions) -> None:
    """Raise if `options` ask for blocks of residues, and the reference has no residues."""
    _require_residues(reference.sites, options)


def _require_residues(sites: AtomicModel | None, options: DeformationOptions) -> None:
    if options.deformation == "blocks" and sites is None:
        raise InputError(
            "--deformation blocks turns residues, but this reference consists of pseudoatoms, which have none: "
            "leave the option out, or give an atomic model as reference."
        )
