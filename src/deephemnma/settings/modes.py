"""Which modes the user means."""

import re

from deephemnma.core.error import InputError

AUTO = "auto"
"""Leaves the choice of modes to the program."""


def parse_mode_numbers(text: str, *, option: str = "--modes") -> tuple[int, ...]:
    """Return the mode numbers of a list such as ``7-9`` or ``7,8,11`` or ``7-9,12``, in the order given.

    Raises
    ------
    InputError
        If `text` is no such list, or names a mode twice. That 1-6 of normal modes are rigid is
        the business of who knows the modes.
    """
    numbers = [number for part in text.split(",") for number in _parse_range(part.strip(), text, option)]
    if len(set(numbers)) != len(numbers):
        raise InputError(f'Modes ({option}) must be named once each; "{text}" repeats some.')
    if min(numbers) < 1:
        raise InputError(f'Modes ({option}) are numbered from 1, "{text}" asks for {min(numbers)}.')
    return tuple(numbers)


def _parse_range(part: str, text: str, option: str) -> range:
    match = re.fullmatch(r"([0-9]{1,5})(?:\s*-\s*([0-9]{1,5}))?", part)
    if match is None:
        auto = f', or "{AUTO}"' if option == "--modes" else ""
        raise InputError(f'Modes ({option}) are written like "7-9" or "7,8,11"{auto}, not "{text}".')
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise InputError(f'The range "{part}" of modes ({option}) runs backwards: write the lower number first.')
    return range(first, last + 1)
