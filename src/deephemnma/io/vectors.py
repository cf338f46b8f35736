"""Displacement vectors of other programs: elNemo, Xmipp (HEMNMA, ContinuousFlex), ProDy."""

import re
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file

_VEC_NAME = re.compile(r"vec\.(\d+)")
_HEAD = re.compile(r"\s*VECTOR\s+(\d+)\s+VALUE\s+(\S+)\s*")


@dataclass(frozen=True)
class VectorFile:
    """What a file says about displacements.

    Attributes
    ----------
    vectors
        As in the file, of any length.
    eigenvalues
        As in the file; NaN where it has none.
    numbers
        As in the file.
    positions
        The sites that move, A, where the file tells; else None.
    """

    vectors: Float[Tensor, "modes sites 3"]
    eigenvalues: Float[Tensor, "modes"]
    numbers: tuple[int, ...]
    positions: Float[Tensor, "sites 3"] | None = None


def read_vectors(path: Path | str) -> VectorFile:
    """Read displacement vectors.

    Parameters
    ----------
    path
        elNemo's ``eigenfacs``; Xmipp's ``modes.xmd`` (modes that are not enabled are left out), a folder of ``vec.7``,
        ``vec.8`` ..., or one of these; ProDy's ``.nmd``.

    Raises
    ------
    InputError
        If the file is missing, is none of these, or its vectors are of different lengths.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    path = require_file(path, "vectors (eigenfacs, modes.xmd, vec.7, .nmd)")
    if path.suffix == ".nmd":
        return _read_nmd(path)
    if path.suffix == ".xmd":
        return _read_metadata(path)
    if _VEC_NAME.fullmatch(path.name):
        return _read_vec_files({_read_number(path): path})
    return _read_eigenfacs(path)


def list_vector_files(path: Path) -> list[Path]:
    """Return the files ``vec.7``, ``vec.8`` ... of a folder, by number; none where `path` is no such folder."""
    files = [each for each in path.iterdir() if _VEC_NAME.fullmatch(each.name)] if path.is_dir() else []
    return sorted(files, key=_read_number)


def _read_number(path: Path) -> int:
    """Return the number in a name such as ``vec.7``."""
    return int(path.suffix[1:])


def _read_folder(folder: Path) -> VectorFile:
    files = {_read_number(path): path for path in list_vector_files(folder)}
    if not files:
        raise InputError(f"{folder} has no files vec.7, vec.8 ...: give the folder where Xmipp wrote the modes.")
    return _read_vec_files(files)


def _read_vec_files(files: dict[int, Path]) -> VectorFile:
    numbers = tuple(sorted(files))
    vectors = [_parse_rows(files[number].read_text(errors="replace").splitlines(), files[number]) for number in numbers]
    for number, vector in zip(numbers, vectors, strict=True):
        if len(vector) != len(vectors[0]):
            raise InputError(
                f"{files[number]} has {len(vector)} sites, but {files[numbers[0]].name} has {len(vectors[0])}: "
                "give vectors of one set of modes."
            )
    return _make(np.stack(vectors), numbers)


def _read_metadata(path: Path) -> VectorFile:
    """Read the enabled modes of ``modes.xmd``: files looked for from its folder and from those above."""
    try:
        document = gemmi.cif.read(str(path))
    except (ValueError, RuntimeError, OSError) as error:
        raise InputError(f"{path} cannot be read as Xmipp metadata ({error}).") from None
    table = document[0].find(["_nmaModefile", "?_order_", "?_enabled"]) if len(document) else []
    files = {}
    for row, cells in enumerate(table, start=1):
        if cells.has(2) and int(cells[2]) < 1:
            continue
        name = Path(gemmi.cif.as_string(cells[0]))
        number = int(cells[1]) if cells.has(1) else _read_number(name) if _VEC_NAME.fullmatch(name.name) else row
        places = [folder / name for folder in path.resolve().parents]
        places += [path.parent / "modes" / name.name, path.parent / name.name]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise InputError(f"{path}, row {row}, names {name}, which is neither there nor in {path.parent / 'modes'}.")
        files[number] = found
    if not files:
        raise InputError(f"{path} has no column _nmaModefile or no enabled mode: give HEMNMA's modes.xmd.")
    return _read_vec_files(files)


def _read_eigenfacs(path: Path) -> VectorFile:
    lines = path.read_text(errors="replace").splitlines()
    heads = [(row, match) for row, line in enumerate(lines) if (match := _HEAD.fullmatch(line))]
    if not heads:
        raise InputError(
            f"{path} is no file of vectors that is known: give elNemo's eigenfacs (with lines VECTOR n VALUE x), "
            "Xmipp's modes.xmd or vec files, or ProDy's .nmd."
        )
    ends = [row for row, _ in heads[1:]] + [len(lines)]
    vectors = [_parse_rows(lines[row + 2 : end], path) for (row, _), end in zip(heads, ends, strict=True)]
    numbers = tuple(int(match[1]) for _, match in heads)
    for number, vector in zip(numbers, vectors, strict=True):
        if len(vector) != len(vectors[0]):
            raise InputError(
                f"{path}: vector {number} has {len(vector)} sites, but vector {numbers[0]} has {len(vectors[0])}: "
                "the file is cut short."
            )
    return _make(np.stack(vectors), numbers, [_parse_numbers([match[2]], path)[0] for _, match in heads])


def _read_nmd(path: Path) -> VectorFile:
    """Read ``.nmd``: ``mode [number] [scale] x y z ...``; the scale is 1 / sqrt(eigenvalue) of an elastic network."""
    fields = [line.split() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    rows = [words[1:] for words in fields if words[0] == "mode"]
    coordinates = next((words[1:] for words in fields if words[0] == "coordinates"), None)
    if coordinates is None or len(coordinates) % 3 or not rows:
        raise InputError(f"{path} lacks a line 'coordinates' of three numbers a site, or lines 'mode': write it again.")
    vectors, numbers, values = [], [], []
    for order, words in enumerate(rows, start=1):
        extra = words[: len(words) - len(coordinates)]
        if len(words) < len(coordinates) or len(extra) > 2:
            raise InputError(f"{path}: mode {order} has {len(words)} numbers for {len(coordinates)} coordinates.")
        indices = [int(word) for word in extra if word.isdecimal()]
        scales = [scale for scale in _parse_numbers([w for w in extra if not w.isdecimal()], path) if scale]
        numbers.append(indices[0] if indices else order)
        values.append(scales[0] ** -2 if scales else np.nan)
        vectors.append(_parse_numbers(words[len(extra) :], path).reshape(-1, 3))
    return _make(np.stack(vectors), tuple(numbers), values, _parse_numbers(coordinates, path).reshape(-1, 3))


def _parse_rows(lines: list[str], path: Path) -> Float[np.ndarray, "sites 3"]:
    rows = [words for line in lines if (words := line.split())]
    wrong = next((row for row, words in enumerate(rows, start=1) if len(words) != 3), None)
    if wrong is not None or not rows:
        raise InputError(f"{path}: site {wrong or 1} of a vector does not have three numbers.")
    return _parse_numbers([word for words in rows for word in words], path).reshape(-1, 3)


def _parse_numbers(words: list[str], path: Path) -> Float[np.ndarray, "numbers"]:
    """Return numbers, also with Fortran's exponent D."""
    try:
        values = np.array([float(word.replace("D", "E").replace("d", "e")) for word in words])
    except ValueError as error:
        raise InputError(f"{path} has something that is not a number ({error}).") from None
    if not np.isfinite(values).all():
        raise InputError(f"{path} has numbers that are not finite.")
    return values


def _make(
    vectors: Float[np.ndarray, "modes sites 3"],
    numbers: tuple[int, ...],
    eigenvalues: list[float] | None = None,
    positions: Float[np.ndarray, "sites 3"] | None = None,
) -> VectorFile:
    return VectorFile(
        vectors=torch.from_numpy(vectors),
        eigenvalues=torch.tensor([np.nan] * len(numbers) if eigenvalues is None else eigenvalues, dtype=torch.float64),
        numbers=numbers,
        positions=None if positions is None else torch.from_numpy(positions),
    )
