"""Pseudoatoms as PDB, in the convention of Xmipp's volume_to_pseudoatoms."""

import re
from pathlib import Path

import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.io.atomic import require_file, write_beside

SMALLEST_WEIGHT = 1e-4  # of the greatest; the last digit that the column holds
_WIDTH = re.compile(r"REMARK\s+fixedGaussian\s+(\S+)")
_COLUMN = re.compile(r"REMARK\s+intensityColumn\s+(\S+)")
_CENTER = re.compile(r"REMARK\s+center\s+(\S+)\s+(\S+)\s+(\S+)")
_SCALE = re.compile(r"REMARK\s+intensityScale\s+(\S+)")
# numbers of more than five digits push the columns to the right
_SITE = re.compile(r"ATOM\s+\d+\s+DENS\s+DENS\s*\d+\s{4}(.{8})(.{8})(.{8})(.{6})(.{0,6})")


def is_pseudoatom_file(path: Path) -> bool:
    """Return whether the file is a PDB file whose remarks give the width of Gaussians."""
    if path.suffix.lower() not in {".pdb", ".ent"} or not path.is_file():
        return False
    with path.open(encoding="utf8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("REMARK"):
                return False
            if _WIDTH.match(line):
                return True
    return False


def read_pseudoatoms(path: Path | str) -> GaussianModel:
    """Read pseudoatoms that Xmipp, HEMNMA or :func:`write_pseudoatoms` wrote.

    The width is that of ``REMARK fixedGaussian``; weights are the column that ``REMARK intensityColumn`` names
    (occupancy or Bfactor). Xmipp stretches intensities to 0.01-1.00 and writes two digits, so its weights are known
    no better; it counts coordinates from the centre of the map, which is the model's centre.

    Raises
    ------
    InputError
        If a remark or line cannot be read, or there are no pseudoatoms.
    """
    path = require_file(path, "pseudoatoms (PDB)")
    lines = path.read_text(encoding="utf8", errors="replace").splitlines()
    width = _read_remark(_WIDTH, lines)
    column = _read_remark(_COLUMN, lines) or ["occupancy"]
    if width is None or column[0] not in {"occupancy", "Bfactor"}:
        raise InputError(
            f"{path} lacks REMARK fixedGaussian with a width, or names an intensityColumn other than occupancy and "
            "Bfactor: it does not hold pseudoatoms."
        )
    sites = [
        _read_site(line, 3 if column[0] == "occupancy" else 4, where=f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.startswith("ATOM")
    ]
    if not sites:
        raise InputError(f"{path} holds no ATOM line: there are no pseudoatoms in it.")
    table = torch.tensor(sites, dtype=torch.float64)
    center = torch.tensor(_to_numbers(_read_remark(_CENTER, lines) or ["0", "0", "0"], path), dtype=torch.float64)
    (scale,) = _to_numbers(_read_remark(_SCALE, lines) or ["1"], path)
    return GaussianModel(
        positions=table[:, :3] - center,
        weights=table[:, 3] * scale,
        widths=torch.full((len(table),), _to_numbers(width, path)[0], dtype=torch.float64),
        center=center,
    )


def write_pseudoatoms(path: Path | str, model: GaussianModel) -> None:
    """Write a model of Gaussians of one width, in the frame of its file; weights to four digits of the greatest.

    Programs that know Xmipp's convention read width and weights; two remarks of ours keep the centre and the unit.
    """
    scale = float(model.weights.max())
    weights = (model.weights / scale).clamp(min=SMALLEST_WEIGHT).tolist()
    center = " ".join(f"{coordinate:.4f}" for coordinate in model.center.tolist())
    with write_beside(path) as temporary, temporary.open("w", encoding="ascii") as file:
        file.write(f"REMARK deephemnma\nREMARK fixedGaussian {float(model.widths[0]):f}\n")
        file.write("REMARK intensityColumn occupancy\n")
        file.write(f"REMARK center {center}\nREMARK intensityScale {scale:.8g}\n")
        for number, (position, weight) in enumerate(
            zip((model.positions + model.center).tolist(), weights, strict=True), start=1
        ):
            place = "".join(f"{coordinate:8.3f}" for coordinate in position)
            file.write(f"ATOM  {number:5d} DENS DENS{number:5d}    {place}{weight:6.4f}     1      DENS\n")
        file.write("END\n")


def _read_remark(pattern: re.Pattern[str], lines: list[str]) -> list[str] | None:
    found = [match for match in map(pattern.match, lines) if match]
    return list(found[0].groups()) if found else None


def _read_site(line: str, column: int, *, where: str) -> tuple[float, float, float, float]:
    match = _SITE.match(line)
    try:
        values = [float(match[number]) for number in (1, 2, 3, column + 1)] if match else []
    except ValueError:
        values = []
    if len(values) != 4 or not values[3] > 0:
        raise InputError(
            f"{where} is not a pseudoatom of positive intensity ({line.strip()!r}): wanted "
            "ATOM, number, DENS, DENS, number, x, y, z, occupancy, B-factor in the columns of PDB."
        )
    return values[0], values[1], values[2], values[3]


def _to_numbers(words: list[str], path: Path) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(f"{path}: its REMARK lines give {words}, where numbers were wanted.") from None
