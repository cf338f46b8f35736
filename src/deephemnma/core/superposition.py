"""Least-squares superposition of coordinates (Kabsch 1976, Acta Cryst. A32:922)."""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class RigidMotion:
    """Rotations, then shifts: ``x -> R x + t``.

    Attributes
    ----------
    rotations
        Proper (no mirror image).
    shifts
        A.
    """

    rotations: Float[Tensor, "*batch 3 3"]
    shifts: Float[Tensor, "*batch 3"]

    def apply(self, positions: Float[Tensor, "*batch sites 3"]) -> Float[Tensor, "*batch sites 3"]:
        """Return `positions` moved."""
        return positions @ self.rotations.mT + self.shifts[..., None, :]


def fit_rigid_motion(
    mobile: Float[Tensor, "*batch sites 3"],
    target: Float[Tensor, "*#batch sites 3"],
    *,
    weights: Float[Tensor, "sites"] | None = None,
) -> RigidMotion:
    """Return the rigid motion that brings `mobile` closest to `target`, site by site, in the (weighted) mean square.

    What is left between the two afterwards has no part along any rigid displacement of `target`, not only to first
    order: the best rotation makes the moment matrix symmetric.
    """
    target = target.expand_as(mobile)
    spread = None if weights is None else weights.to(mobile).expand(mobile.shape[:-1])
    return RigidMotion(*roma.rigid_points_registration(mobile, target, weights=spread))


def superimpose(
    mobile: Float[Tensor, "*batch sites 3"],
    target: Float[Tensor, "*#batch sites 3"],
    *,
    weights: Float[Tensor, "sites"] | None = None,
) -> Float[Tensor, "*batch sites 3"]:
    """Return `mobile` moved onto `target`; see :func:`fit_rigid_motion`."""
    return fit_rigid_motion(mobile, target, weights=weights).apply(mobile)


def compute_rmsd(
    first: Float[Tensor, "*batch sites 3"], second: Float[Tensor, "*#batch sites 3"]
) -> Float[Tensor, "*batch"]:
    """Return the root mean square distance, A, of paired sites as they lie."""
    return torch.square(first - second).sum(dim=-1).mean(dim=-1).sqrt()
