"""Atoms or beads -> Gaussians."""

import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import AtomicModel
from deephemnma.reference.b_factor import compute_b_variances

ATOM_WIDTH = 0.44
"""A. One Gaussian in place of Peng's five: its curvature at zero frequency, sum(a b) / (8 pi^2 sum(a)), is that of
the mean protein atom (0.46 for C, 0.43 for N, 0.41 for O)."""


def make_gaussian_model(atoms: AtomicModel, *, width: float | None = None, b_factors: bool = False) -> GaussianModel:
    """Make one Gaussian of each site, about the mean of the sites.

    Parameters
    ----------
    atoms
        Sites, as :func:`~deephemnma.reference.site.select_sites` returns them.
    width
        Standard deviation of all Gaussians, A, above 0. By default 0.44 for an atom; for a bead, the spread of its
        residue's atoms and their own width together.
    b_factors
        Whether the B-factor of each site widens it, by B / (8 pi^2) in variance. Those of a crystal hold its disorder
        too, and none is the envelope of a cryo-EM map.

    Returns
    -------
    model
        Its weights are the scattering factors at zero angle.
    """
    if width is not None and not width > 0:
        raise InputError(f"The width of the Gaussians (--width) must be a positive length in A, not {width:g}.")
    center = atoms.positions.mean(dim=0)
    if width is not None:
        widths = torch.full_like(atoms.scattering, width)
    elif atoms.spreads is None:
        widths = torch.full_like(atoms.scattering, ATOM_WIDTH)
    else:
        widths = (atoms.spreads.square() + ATOM_WIDTH**2).sqrt()
    if b_factors:
        widths = (widths.square() + compute_b_variances(atoms)).sqrt()
    return GaussianModel(
        positions=atoms.positions - center, weights=atoms.scattering.clone(), widths=widths, center=center
    )
