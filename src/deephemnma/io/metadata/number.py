"""Columns of text as numbers, with the row of what is none."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from deephemnma.core.error import InputError

LARGEST = 1e12
"""In size: nothing that is measured of a particle in A, degrees, kV or mm comes near it."""


def parse_numbers(
    column: pd.Series, *, source: str, name: str | None = None, may_be_nan: bool = False
) -> Float[np.ndarray, "rows"]:
    """Return a column as float64.

    Parameters
    ----------
    column
        Text or numbers.
    source, name
        File and column (by default the column's own name), for messages.
    may_be_nan
        Whether NaN is a value like others.

    Raises
    ------
    InputError
        If a value is no number as programs of all kinds write them (`1_000` and `1,5` are none), is not finite, or is
        too large for anything that is measured.
    """
    try:
        values = column.to_numpy(dtype=np.float64, copy=True)
        wrong = ~((np.abs(values) <= LARGEST) | (may_be_nan & np.isnan(values)))
        if column.dtype.kind not in "fiub":
            wrong |= _find_odd_texts(column)
    except (ValueError, TypeError, OverflowError):
        wrong = np.array([not _is_right(value, may_be_nan=may_be_nan) for value in column])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = column.iloc[row]
        told = repr(value) if isinstance(value, str) else f"{value}"
        raise InputError(
            f"{source}, particle {row + 1}: {name or column.name} is {_shorten(told)}, wanted a number (such as 1.5 or "
            "1.5e3): correct or remove the row."
        )
    return values


def check_whole(
    values: Float[np.ndarray, "rows"], *, source: str, name: str, least: int, most: int = int(LARGEST)
) -> None:
    """Raise unless all values are whole numbers from `least` to `most`."""
    wrong = np.flatnonzero((values != np.rint(values)) | (values < least) | (values > most))
    if len(wrong):
        row = int(wrong[0])
        limit = f" and at most {most:,}" if most < LARGEST else ""
        raise InputError(
            f"{source}, particle {row + 1}: {name} is {values[row]:.12g}, wanted a whole number, at least {least}"
            f"{limit}: correct it."
        )


def parse_number(text: str) -> float:
    """Return the number that `text` is.

    Raises
    ------
    ValueError
        If it is none, also where Python would take it (`1_000`, digits beyond ASCII).
    """
    if "_" in text or not text.isascii():
        raise ValueError(f"{text!r} is no number")
    return float(text)


def _find_odd_texts(column: pd.Series) -> np.ndarray | bool:
    """Return which values Python takes for numbers and no other program does."""
    joined = "".join(map(str, column))
    if "_" not in joined and joined.isascii():
        return False
    return np.array([not str(value).isascii() or "_" in str(value) for value in column])


def _is_right(value: object, *, may_be_nan: bool) -> bool:
    try:
        number = parse_number(value) if isinstance(value, str) else float(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return abs(number) <= LARGEST or (may_be_nan and number != number)


def _shorten(told: str) -> str:
    return told if len(told) <= 60 else f"{told[:57]}..."
