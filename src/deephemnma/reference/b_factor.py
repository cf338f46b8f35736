"""B-factors as widths: B / (8 pi^2) is the mean square displacement of an atom along an axis."""

import math

from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel

LARGEST_B_FACTOR = 1000.0
"""A^2: an atom that strays by 3.6 A along an axis. What is above is no displacement."""


def compute_b_variances(atoms: AtomicModel) -> Float[Tensor, "atoms"]:
    """Return the variance along an axis, A^2, by which the B-factor of each atom widens it.

    Raises
    ------
    InputError
        If a B-factor is negative or absurd (the column holds something else), or all are 0 (it holds nothing).
    """
    values = atoms.b_factors.double()
    if not values.any():
        raise InputError(f"{atoms.source} has no B-factors, all are 0: leave --file-b-factors out.")
    bad = ((values < 0) | (values > LARGEST_B_FACTOR) | ~values.isfinite()).nonzero().reshape(-1)
    if len(bad):
        first = int(bad[0])
        place = f"{atoms.chains[first]}/{atoms.residue_names[first]} {atoms.residue_numbers[first]}"
        raise InputError(
            f"{atoms.source} has {len(bad)} sites whose B-factor is no displacement, first {values[first]:g} A^2 of "
            f"{place}/{atoms.atom_names[first]}: --file-b-factors takes 0 to {LARGEST_B_FACTOR:g}; mend the column or "
            "leave the option out."
        )
    return values / (8 * math.pi**2)
