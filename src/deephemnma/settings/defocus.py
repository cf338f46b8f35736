"""Which defoci the user means."""

import re

from deephemnma.core.error import InputError

_RANGE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(?:-\s*([0-9]*\.?[0-9]+)\s*)?")
LARGEST = 10.0
"""um."""


def parse_defocus_range(text: str) -> tuple[float, float]:
    """Return the lowest and highest underfocus, um, of a range such as ``0.5-3``, or of one value.

    Raises
    ------
    InputError
        If `text` is no such range, runs backwards, or leaves 0-10 um.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise InputError(f'Underfocus (--defocus-um) is written like "0.5-3" or "1.2", um, not "{text}".')
    low, high = float(match[1]), float(match[2] or match[1])
    if not low <= high <= LARGEST:
        raise InputError(f'Underfocus (--defocus-um) runs from low to high, up to {LARGEST:g} um; "{text}" was given.')
    return low, high
