"""The truth about images whose molecule the estimator's reference cannot become: what comes nearest to it."""

from dataclasses import dataclass

import roma
import torch

from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Poses

ROUNDS = 50


@dataclass(frozen=True)
class Nearest:
    """The conformations of a model, moved as a whole, that come nearest to given coordinates.

    Attributes
    ----------
    amplitudes
        A, one row an image.
    rotations, moves
        Take the conformation to the coordinates.
    rmsd
        What remains, A.
    """

    amplitudes: torch.Tensor
    rotations: torch.Tensor
    moves: torch.Tensor
    rmsd: torch.Tensor


def find_nearest(model: GaussianModel, modes: Modes, targets: torch.Tensor) -> Nearest:
    """Find amplitudes and placement of the least RMSD to `targets` (images, sites, 3), each in turn given the other."""
    positions, vectors = model.positions.double(), modes.vectors.double()
    inverse = torch.linalg.pinv(vectors.flatten(1))  # the vectors themselves, where they are orthonormal
    amplitudes = torch.zeros(len(targets), modes.n_modes, dtype=torch.float64)
    for _ in range(ROUNDS):
        conformations = positions + torch.einsum("im,msx->isx", amplitudes, vectors)
        rotations, moves = roma.rigid_points_registration(conformations, targets)
        back = torch.einsum("iyx,isy->isx", rotations, targets - moves[:, None])
        amplitudes = (back - positions).flatten(1) @ inverse
    return Nearest(amplitudes, rotations, moves, compute_rmsd(model, modes, amplitudes, targets))


def compute_rmsd(model: GaussianModel, modes: Modes, amplitudes: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the RMSD (A) of each conformation to its target after superposition."""
    conformations = model.positions.double() + torch.einsum("im,msx->isx", amplitudes, modes.vectors.double())
    rotations, moves = roma.rigid_points_registration(conformations, targets)
    placed = torch.einsum("ixy,isy->isx", rotations, conformations) + moves[:, None]
    return (placed - targets).square().sum(-1).mean(-1).sqrt()


def make_nearest_truth(truth: Estimates, nearest: Nearest, *, mode_numbers: tuple[int, ...]) -> Estimates:
    """Return `truth` in terms of the nearest conformations: poses take over what moves these as a whole."""
    rotations = truth.poses.rotations
    moved = torch.einsum("ixy,iy->ix", rotations, nearest.moves)[:, :2]
    return make_estimates(
        names=truth.names,
        poses=Poses(rotations @ nearest.rotations, truth.poses.shifts - moved),  # a particle lies at minus its shift
        amplitudes=nearest.amplitudes,
        mode_numbers=mode_numbers,
        status=Status.GIVEN,
    )
