"""Vectors of other programs as modes of a reference."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import Basis, Modes
from deephemnma.core.superposition import compute_rmsd, fit_rigid_motion
from deephemnma.modes.rigid import make_rigid_modes

MOSTLY_RIGID = 0.5
"""Share of the squared displacement along rigid ones, from which a vector is left out."""
FARTHEST_SITES = 3.0  # A RMSD between the file's sites and ours
SAME_DIRECTION = 1e-6


def make_imported_modes(
    positions: Float[Tensor, "sites 3"],
    *,
    vectors: Float[Tensor, "modes others 3"],
    eigenvalues: Float[Tensor, "modes"],
    numbers: tuple[int, ...],
    origin: Float[Tensor, "others 3"] | None = None,
) -> Modes:
    """Return vectors of another program as modes of the sites, in their order.

    They are scaled to unit norm and otherwise left as they are. Those that move the molecule as a whole, which
    orientation and shift already do, are left out. If the file tells its sites (`origin`, A) and these are posed
    otherwise than ours, the vectors turn along.

    Raises
    ------
    InputError
        If the vectors are of other sites, repeat a number or a direction, or all are rigid.
    """
    if vectors.shape[1] != len(positions):
        raise InputError(
            f"The vectors (--vectors) move {vectors.shape[1]} sites, but the reference has {len(positions)}: choose "
            "the --sites that they were computed for."
        )
    vectors, positions = vectors.double(), positions.detach().cpu().double()
    if origin is not None:
        motion = fit_rigid_motion(origin.double(), positions)
        distance = float(compute_rmsd(motion.apply(origin.double()), positions))
        if not distance <= FARTHEST_SITES:
            raise InputError(
                f"The sites of the vectors (--vectors) lie {distance:.1f} A (RMSD) from those of the reference: give "
                "the structure that they were computed for, its sites in the same order."
            )
        vectors = vectors @ motion.rotations.T
    lengths = vectors.flatten(1).norm(dim=1)
    vectors = vectors / lengths.clamp_min(torch.finfo(torch.float64).tiny)[:, None, None]
    rigid = torch.from_numpy(make_rigid_modes(positions.numpy()))
    shares = (vectors.flatten(1) @ rigid).square().sum(dim=1)
    kept = torch.nonzero((shares < MOSTLY_RIGID) & (lengths > 0))[:, 0]
    names = tuple(numbers[row] for row in kept.tolist())
    _check_directions(vectors[kept].flatten(1), names)
    return Modes(vectors[kept], eigenvalues[kept], names, Basis.IMPORTED)


def _check_directions(vectors: Float[Tensor, "modes coordinates"], numbers: tuple[int, ...]) -> None:
    if not numbers:
        raise InputError(
            "All vectors (--vectors) move the molecule as a whole or not at all: give those that deform it."
        )
    if len(set(numbers)) != len(numbers):
        raise InputError(f"The vectors (--vectors) have numbers that come twice, among {numbers}: number them apart.")
    if torch.linalg.eigvalsh(vectors @ vectors.T)[0] < SAME_DIRECTION:
        raise InputError(
            f"The vectors (--vectors) {', '.join(map(str, numbers))} are not independent: one is a sum of others, so "
            "that no image could tell them apart."
        )
