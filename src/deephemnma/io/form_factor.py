"""Electron form factors of atoms."""

from functools import cache

import gemmi
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError


def read_form_factors(elements: np.ndarray) -> tuple[Float[Tensor, "atoms 5"], Float[Tensor, "atoms 5"]]:
    """Return Peng's coefficients of each atom: f(k) = sum_t amplitudes_t exp(-decays_t k^2 / 4), k in 1/A.

    Peng, Ren, Dudarev & Whelan (1996), Acta Cryst. A52, 257, table 1, is written in s = sin(theta) / lambda = k / 2,
    so the exponent is ``-b s^2 = -b k^2 / 4``, and each term is a Gaussian of variance b / (8 pi^2) in space. Taking
    k for s makes carbon fall to 0.25 of f(0) at 4 A; it is 0.79.

    Parameters
    ----------
    elements
        Symbols, upper or lower case. "X" (unknown) is taken for oxygen, as gemmi does; "D" for H.

    Returns
    -------
    amplitudes
        A.
    decays
        A^2.

    Raises
    ------
    InputError
        If the table has no such element.
    """
    kinds, kind = np.unique(elements.astype(str), return_inverse=True)
    amplitudes, decays = torch.tensor([_look_up(str(name)) for name in kinds], dtype=torch.float64).unbind(1)
    rows = torch.from_numpy(kind.reshape(-1))
    return amplitudes[rows], decays[rows]


@cache
def _look_up(element: str) -> tuple[list[float], list[float]]:
    coefficients = gemmi.Element(element).c4322
    if coefficients is None:
        raise InputError(f"No electron scattering factor is known for element {element!r}: correct the element column.")
    return coefficients.a, coefficients.b
