"""One image under the names that several programs give it."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

CRYOSPARC_NUMBER = re.compile(r"^\d{15,}_")
"""What cryoSPARC puts before the names of imported files."""


def find_images(wanted: Sequence[str], given: Sequence[str]) -> list[int | None]:
    """Return the row in `given` of each name `wanted`, None where there is none.

    A name that is not found as it stands is looked for by the number of the slice and the name of the stack without
    folder, extension and cryoSPARC's number, as other programs move and rename stacks; only where that tells the
    images apart.
    """
    row_of = {name: row for row, name in enumerate(given)}
    rows = [row_of.get(name) for name in wanted]
    if None not in rows:
        return rows
    given_keys, wanted_keys = [_make_key(name) for name in given], [_make_key(name) for name in wanted]
    given_counts, wanted_counts = Counter(given_keys), Counter(wanted_keys)
    row_of_key = {key: row for row, key in enumerate(given_keys) if given_counts[key] == 1}
    return [
        row if row is not None else row_of_key.get(key) if wanted_counts[key] == 1 else None
        for row, key in zip(rows, wanted_keys, strict=True)
    ]


def split_name(name: str) -> tuple[str, str]:
    """Return the number, as it stands, and the stack of ``1@stack.mrcs``; a name without ``@`` has the number 1.

    The first ``@`` counts, as in RELION: folders may hold others.
    """
    number, sign, stack = name.partition("@")
    return (number, stack) if sign else ("1", name)


def is_count(text: str) -> bool:
    """Return whether `text` is a number that can count images: not one of a thousand digits."""
    return text.isascii() and text.isdigit() and len(text) <= 12


def _make_key(name: str) -> tuple[int, str]:
    number, stack = split_name(name)
    return int(number) if is_count(number) else 1, CRYOSPARC_NUMBER.sub("", PurePosixPath(stack).stem)
