"""Errors as root-mean-square displacements (RMSD) of the molecule's sites, A: one kind of parameter at a time.

The paper (section 3.1.1, Tables 2 and 4) displaces the sites with the found and with the true amplitudes, angles or
shifts, takes the RMSD between the two for each image, and averages over images. Below are the same numbers in closed
form.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def compute_amplitude_rmsd(differences: Float[Tensor, "images modes"], *, n_sites: int) -> Float[Tensor, "images"]:
    """Return ``|dq| / sqrt(N)``, exact for modes of unit norm over `n_sites` sites, orthogonal to each other."""
    return differences.norm(dim=-1) / math.sqrt(n_sites)


def compute_rotation_rmsd(
    found: Float[Tensor, "images 3 3"],
    truth: Float[Tensor, "images 3 3"],
    *,
    positions: Float[Tensor, "sites 3"],
) -> Float[Tensor, "images"]:
    """Return the RMSD of `positions` (about the centre of rotation, A) turned by `found` and by `truth`."""
    moment = (positions.mT @ positions / len(positions)).to(found)
    change = found - truth
    return torch.einsum("iax,xy,iay->i", change, moment, change).clamp(min=0).sqrt()


def compute_shift_rmsd(differences: Float[Tensor, "images 2"]) -> Float[Tensor, "images"]:
    """Return the length of the in-plane move, the same for every site."""
    return differences.norm(dim=-1)
