"""Columns of text as numbers, with the row of what is none."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from deephemnma.core.error import InputError


def parse_numbers(column: pd.Series, *, source: str, name: str | None = None) -> Float[np.ndarray, "rows"]:
    """Return a column as float64.

    Parameters
    ----------
    column
        Text or numbers.
    source, name
        File and column (by default the column's own name), for messages.

    Raises
    ------
    InputError
        If a value is no finite number.
    """
    try:
        values = column.to_numpy(dtype=np.float64, copy=True)
        wrong = ~np.isfinite(values)
    except (ValueError, TypeError):
        wrong = np.array([not _is_finite(value) for value in column])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{source}, particle {row + 1}: {name or column.name} is {column.iloc[row]!r}, wanted a number: correct or "
            "remove the row."
        )
    return values


def _is_finite(value: object) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (ValueError, TypeError):
        return False
