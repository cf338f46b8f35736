"""STAR files as text: every table with its values just as they stand there, and mistakes by their line.

Ours rather than a library's (decision 0610): values must come back digit by digit, and the libraries at hand turn
quotes, cut values at ``#``, stop at names that begin with ``data_``, or know no letters beyond ASCII.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

from deephemnma.core.error import InputError
from deephemnma.io.packed import read_text

ROWS_AT_ONCE = 50_000
"""Their values are apart in memory before they become columns."""
LONGEST_LINE = 1_000_000
MOST_TABLES = MOST_COLUMNS = 10_000
BLANKS = " \t\v\f"
"""Those of ASCII alone divide values: other blanks stand within names."""
_VALUE = re.compile(r"""'([^']*)'(?!\S)|"([^"]*)"(?!\S)|(\S+)""", re.ASCII)
_VERSION = re.compile(r"# version (\d+)")

Numbered = tuple[int, str]
"""A line and its number, from 1."""


def read_star_blocks(path: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a STAR file by name, all values as text; a list of pairs is a table of one row.

    Raises
    ------
    InputError
        If it is no STAR file, a table or a column stands there twice, or a row has too few or too many values.
    """
    return parse_star(read_text(path, what="a star file"), source=str(path))


def parse_star(text: str, *, source: str) -> dict[str, pd.DataFrame]:
    """Return the tables of the `text` of a STAR file; see :func:`read_star_blocks`."""
    lines = text.split("\n")
    _check_lengths(lines, source=source)
    heads = [number for number, line in enumerate(lines) if _is_head(line)]
    if not heads:
        raise InputError(f"{source} is not a star file: no line of it begins a table (data_...).")
    if len(heads) > MOST_TABLES:
        raise InputError(f"{source} has {len(heads):,} tables (data_...): give a star file of particles.")
    blocks: dict[str, pd.DataFrame] = {}
    for head, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        name = lines[head].split()[0].removeprefix("data_")
        if name in blocks:
            raise InputError(f"{source}, line {head + 1}: a second table data_{name}; keep one, or rename one.")
        blocks[name] = _parse_block(lines, head + 1, end, source=f"{source}, data_{name}")
    return blocks


def read_version(path: Path) -> str | None:
    """Return the version of RELION's star format that a file names (30001 from 3.1, 50001 from 5), or None."""
    found = _VERSION.search(read_text(path, what="a star file")[:4096])
    return found[1] if found else None


def _check_lengths(lines: Sequence[str], *, source: str) -> None:
    number = next((number for number, line in enumerate(lines, start=1) if len(line) > LONGEST_LINE), None)
    if number is not None:
        raise InputError(
            f"{source}, line {number}, has {len(lines[number - 1]):,} characters, more than any row of a table: give a "
            "star file of particles."
        )


def _is_head(line: str) -> bool:
    # Alone on its line, but for a comment: file names that begin with data_ stand among other values.
    if "data_" not in line:
        return False
    words = line.split(None, 2)
    return words[0].startswith("data_") and (len(words) == 1 or words[1].startswith("#"))


def _parse_block(lines: Sequence[str], start: int, end: int, *, source: str) -> pd.DataFrame:
    content = _number_content(lines, start, end)
    first = next(content, None)
    if first is None:
        return pd.DataFrame()
    if first[1].split()[0] != "loop_":
        return _parse_pairs([first, *content], source)
    names: list[str] = []
    for number, line in content:
        if not line.startswith("_"):
            content = _chain((number, line), content)
            break
        names.append(_take_name(line, number, source))
    _check_names(names, source)
    return _parse_rows(content, names, source=source)


def _number_content(lines: Sequence[str], start: int, end: int) -> Iterator[Numbered]:
    """Yield the lines that hold anything but a comment, without the blanks around."""
    for number in range(start, end):
        line = lines[number].strip(BLANKS)
        if line and not line.startswith("#") and not line.isspace():
            yield number + 1, line


def _chain(first: Numbered, rest: Iterator[Numbered]) -> Iterator[Numbered]:
    yield first
    yield from rest


def _parse_pairs(content: list[Numbered], source: str) -> pd.DataFrame:
    pairs = [_split(line) for _, line in content]
    for (number, line), values in zip(content, pairs, strict=True):
        if len(values) < 2 or not values[0].startswith("_") or values[1].startswith("#"):
            raise InputError(
                f"{source}, line {number}: wanted a name and its value (_name value), found {line[:60]!r}; the columns "
                "of a table stand behind a line loop_."
            )
    names = [_take_name(line, number, source) for number, line in content]
    _check_names(names, source)
    return pd.DataFrame([[values[1] for values in pairs]], columns=names, dtype="str")


def _check_names(names: list[str], source: str) -> None:
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{source} has {len(names):,} columns: give a star file of particles.")
    seen: set[str] = set()
    repeated = next((name for name in names if name in seen or seen.add(name)), None)
    if repeated is not None:
        raise InputError(f"{source} has the column {repeated} twice: remove one.")


def _take_name(line: str, number: int, source: str) -> str:
    name = line.split()[0].removeprefix("_")
    if not name:
        raise InputError(f"{source}, line {number}: a column that has no name, found {line[:60]!r}; name it (_name).")
    return name


def _parse_rows(content: Iterator[Numbered], names: list[str], *, source: str) -> pd.DataFrame:
    parts, done = [], 0
    while chunk := list(islice(content, ROWS_AT_ONCE)):
        rows = [_split(line) for _, line in chunk]
        for row, values in enumerate(rows):
            if values[0] == "loop_" and len(values) == 1:
                raise InputError(
                    f"{source}, line {chunk[row][0]}: a second loop_; begin each table with a line data_... of its own."
                )
            if len(values) != len(names):
                raise InputError(
                    f"{source}: row {done + row + 1} (line {chunk[row][0]}) has {len(values)} values, but there are "
                    f"{len(names)} columns: correct the row."
                )
        parts.append(pd.DataFrame(dict(zip(names, zip(*rows, strict=True), strict=True)), dtype="str"))
        done += len(rows)
    if not parts:
        return pd.DataFrame(columns=names, dtype="str")
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def _split(line: str) -> list[str]:
    """Return the values of a line; those in quotes may hold blanks."""
    if "'" not in line and '"' not in line and line.isascii():
        return line.split()
    return [single or double or plain for single, double, plain in _VALUE.findall(line)]
