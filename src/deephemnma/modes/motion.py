"""A motion that is known, and how much of it the modes explain."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.core.model import Modes
from deephemnma.core.superposition import superimpose
from deephemnma.modes.fluctuation import find_flexible
from deephemnma.modes.rigid import make_rigid_basis

DEPENDENT = 1e-6
"""What is left of a unit vector without the others, when it counts as one of them."""


@dataclass(frozen=True)
class Motion:
    """Where some of the sites go.

    Attributes
    ----------
    sites
        Rows of the sites whose end is known.
    start
        Their positions in the reference, A.
    displacements
        From there to the end, superimposed on the start: no part of it moves the sites as a whole.
    source
        Where it leads or is known from, for messages: "towards closed.pdb", "found by fitted".
    numbers
        Of the modes that the motion was looked for in; None if it is of any kind.
    """

    sites: Int[Tensor, "common"]
    start: Float[Tensor, "common 3"]
    displacements: Float[Tensor, "common 3"]
    source: str
    numbers: tuple[int, ...] | None = None

    @property
    def rmsd(self) -> float:
        """Root mean square displacement, A."""
        return float(self.displacements.norm() / math.sqrt(max(1, len(self.sites))))


@dataclass(frozen=True)
class Explanation:
    """What each mode has of a motion.

    Attributes
    ----------
    overlaps
        Cosine between the motion and each mode, both on the motion's sites, in [-1, 1]; 0 for rigid modes.
    cumulative
        Cosine between the motion and its nearest approach by all modes up to each one, 0-1.
    amplitudes
        A, of all flexible modes together, that come nearest to the motion.
    """

    overlaps: Float[Tensor, "modes"]
    cumulative: Float[Tensor, "modes"]
    amplitudes: Float[Tensor, "modes"]


def make_motion(
    start: Float[Tensor, "common 3"], end: Float[Tensor, "common 3"], *, sites: Int[Tensor, "common"], source: str
) -> Motion:
    """Superimpose `end` on `start` (A, the positions of the rows `sites`) and return the motion between them."""
    start, end = start.double(), end.double()
    return Motion(sites, start, superimpose(end, start) - start, source)


def explain_motion(modes: Modes, motion: Motion) -> Explanation:
    """Return what each mode has of `motion`.

    Where the motion is known for a part of the sites only, the modes are compared on this part: cut off from the rest,
    freed of what moves the part as a whole, and, for sums over several modes, made orthogonal again (the squared
    cosines of vectors that are not orthogonal would count some motion twice).
    """
    vectors = _restrict(modes, motion)
    flat, length = motion.displacements.flatten(), motion.displacements.norm().clamp_min(math.ulp(0.0))
    lengths = vectors.norm(dim=-1)
    overlaps = torch.where(lengths > DEPENDENT, vectors @ flat / (lengths.clamp_min(DEPENDENT) * length), 0.0)
    parts = _measure_parts(vectors, flat / length)
    amplitudes = torch.linalg.lstsq(vectors.mT, flat[:, None], driver="gelsd").solution[:, 0]
    return Explanation(overlaps, parts.square().cumsum(dim=0).clamp(max=1).sqrt(), amplitudes)


def compute_explained_share(modes: Modes, motion: Motion) -> float:
    """Return the share, 0-1, of the mean square displacement of `motion` that all `modes` together explain."""
    length = motion.displacements.norm().clamp_min(math.ulp(0.0))
    parts = _measure_parts(_restrict(modes, motion), motion.displacements.flatten() / length)
    return min(1.0, float(parts.square().sum()))


def _restrict(modes: Modes, motion: Motion) -> Float[Tensor, "modes coordinates"]:
    """Return the modes on the sites of the motion, without what moves these as a whole; 0 for rigid modes."""
    vectors = modes.vectors.double()[:, motion.sites].flatten(1)
    rigid = torch.from_numpy(make_rigid_basis(motion.start.numpy()))
    free = vectors - (vectors @ rigid) @ rigid.mT
    return free * _as_column(find_flexible(modes))


def _as_column(mask: Bool[Tensor, "modes"]) -> Float[Tensor, "modes 1"]:
    return mask.double()[:, None]


def _measure_parts(
    vectors: Float[Tensor, "modes coordinates"], direction: Float[Tensor, "coordinates"]
) -> Float[Tensor, "modes"]:
    """Return the part of the unit vector `direction` along what each vector adds to those before it."""
    basis = vectors[:0]
    parts = []
    for vector in vectors:
        length = vector.norm()
        rest = vector
        for _ in range(2):  # once more, for what rounding left
            rest = rest - (basis @ rest) @ basis
        if rest.norm() <= DEPENDENT * length.clamp_min(DEPENDENT):
            parts.append(vector.new_zeros(()))
            continue
        rest = rest / rest.norm()
        basis = torch.cat((basis, rest[None]))
        parts.append(rest @ direction)
    return torch.stack(parts) if parts else vectors.new_zeros(0)
