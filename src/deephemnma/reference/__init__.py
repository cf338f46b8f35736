"""From a structure or a map to the Gaussians that are projected."""

from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.gaussian_fit import fit_to_atoms
from deephemnma.reference.pseudoatom import make_pseudoatoms
from deephemnma.reference.site import make_site_names, select_sites

__all__ = ["fit_to_atoms", "make_gaussian_model", "make_pseudoatoms", "make_site_names", "select_sites"]
