"""The density that a structure scatters with, and that of a Gaussian model: sums of isotropic Gaussians."""

import math
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import AtomicModel
from deephemnma.io.form_factor import read_form_factors
from deephemnma.reference.b_factor import compute_b_variances


@dataclass(frozen=True)
class AtomicDensity:
    """Centres, each with one Gaussian or several.

    Attributes
    ----------
    positions
        x y z, A, in the frame of the file.
    weights
        Integral of each Gaussian.
    variances
        Of each Gaussian along an axis, A^2.
    """

    positions: Float[Tensor, "centers 3"]
    weights: Float[Tensor, "centers terms"]
    variances: Float[Tensor, "centers terms"]

    def take(self, rows: Int[Tensor, "taken"]) -> "AtomicDensity":
        """Return the centres of these rows."""
        return AtomicDensity(self.positions[rows], self.weights[rows], self.variances[rows])


def make_atomic_density(atoms: AtomicModel, *, b_factors: bool = False) -> AtomicDensity:
    """Return the density of atoms as Peng's five Gaussians each, smeared by the file's B-factors if so wanted.

    The atoms are those that the file has: no hydrogens are added where it has none.
    """
    weights, decays = read_form_factors(atoms.elements)
    variances = decays / (8 * math.pi**2)
    if b_factors:
        variances = variances + compute_b_variances(atoms)[:, None]
    return AtomicDensity(atoms.positions.double(), weights, variances)


def make_model_density(model: GaussianModel) -> AtomicDensity:
    """Return the density of a model, one Gaussian a site."""
    positions = model.positions.double() + model.center.double()
    return AtomicDensity(positions, model.weights.double()[:, None], model.widths.double().square()[:, None])
