"""Parameter files of FREALIGN and cisTEM (``.par``), and cisTEM's star files.

Their Euler angles are RELION's by other names (PHI rot, THETA tilt, PSI psi), their shifts say where the particle is,
so they are minus RELION's origins. tests/agreement/test_cistem_reference.py projects with them; pyem converts so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file
from deephemnma.io.metadata.number import check_whole, parse_numbers
from deephemnma.io.metadata.particle_tables import IMAGE, PIXEL_SIZE, ParticleTables, name_image
from deephemnma.io.metadata.star_text import read_star_blocks
from deephemnma.io.packed import read_text

FREALIGN_COMMON = ["POS", "PSI", "THETA", "PHI", "SHX", "SHY", "MAG", "FILM", "DF1", "DF2", "ANGAST"]
FREALIGN_9 = [*FREALIGN_COMMON, "OCC", "LOGP", "SIGMA", "SCORE", "CHANGE"]
FREALIGN_X = [*FREALIGN_COMMON, "PSHIFT", *FREALIGN_9[11:]]
FREALIGN_8 = [*FREALIGN_COMMON, "PRESA", "DPRES"]
"""Its shifts are in pixels."""
WIDTHS_9 = (7, 8, 8, 8, 10, 10, 8, 6, 9, 9, 8, 8, 10, 11, 8, 8)
WIDTHS = {len(FREALIGN_9): WIDTHS_9, len(FREALIGN_X): (*WIDTHS_9[:11], 8, *WIDTHS_9[11:])}
"""Characters a column, for the rows in which wide numbers touch."""
LAYOUTS = {len(names): names for names in (FREALIGN_8, FREALIGN_9, FREALIGN_X)}
CISTEM = "cisTEM"
CISTEM_COLUMNS = {
    "PositionInStack": "POS",
    "AnglePsi": "PSI",
    "AngleTheta": "THETA",
    "AnglePhi": "PHI",
    "XShift": "SHX",
    "YShift": "SHY",
    "Defocus1": "DF1",
    "Defocus2": "DF2",
    "DefocusAngle": "ANGAST",
    "PhaseShift": "PSHIFT",
    "ImageActivity": "ACTIVITY",
    "PixelSize": "PIXEL",
    "MicroscopeVoltagekV": "VOLTAGE",
    "MicroscopeCsMM": "CS",
    "AmplitudeContrast": "CONTRAST",
    "StackFilename": "STACK",
}
NEEDED, DEFOCUS = FREALIGN_COMMON[:6], FREALIGN_COMMON[8:]
NOT_USED = ("LOGP", "SIGMA", "SCORE", "CHANGE", "PRESA", "DPRES")
"""Columns that may hold what is no number: they are only passed on."""


@dataclass(frozen=True)
class Microscope:
    """What parameter files do not say of the images.

    Attributes
    ----------
    stack
        Of all images; None where the file names it.
    pixel_size
        A; None where the file or the stack's header says it.
    voltage_kv, cs_mm, amplitude_contrast
        None where the file says it.
    """

    stack: Path | None = None
    pixel_size: float | None = None
    voltage_kv: float | None = None
    cs_mm: float | None = None
    amplitude_contrast: float | None = None


def read_frealign_particles(paths: Sequence[Path], microscope: Microscope) -> ParticleTables:
    """Read the parameter files of one or several classes; of several, each particle has the class that it fills most.

    Parameters
    ----------
    paths
        One file a class, all of the same particles in the same order.
    microscope
        Stack, voltage, aberration and amplitude contrast; also the pixel size, if the stack's header lacks it.

    Raises
    ------
    InputError
        If a file is missing or damaged, files are not of the same particles, or something is not said anywhere.
    """
    _require_said(microscope, paths[0], ("voltage_kv", "cs_mm", "amplitude_contrast"))
    classes = [_read_par(path) for path in paths]
    for path, table in zip(paths, classes, strict=True):
        if len(table) != len(classes[0]) or (table["POS"] != classes[0]["POS"]).any():
            raise InputError(f"{path} and {paths[0]} are not of the same particles in the same order (column 1).")
    if len(classes) > 1 and any("OCC" not in table for table in classes):
        raise InputError(f"{paths[0]} has no occupancies (OCC), so that {len(paths)} classes cannot be told apart.")
    table = classes[0]
    remarks = []
    if len(classes) > 1:
        best = np.argmax([table["OCC"] for table in classes], axis=0)
        stacked = pd.concat(classes, keys=range(len(classes)))
        table = stacked.loc[list(zip(best, range(len(best)), strict=True))].reset_index(drop=True)
        table["CLASS"] = best + 1
        shares = ", ".join(f"{count:,}" for count in np.bincount(best, minlength=len(classes)))
        remarks.append(f"each particle has the class of highest occupancy ({shares} particles in classes 1, 2 ...)")
    if table["MAG"].nunique() > 1:
        raise InputError(f"{paths[0]} has particles of several magnifications: give those of one at a time.")
    return _make_tables(table, microscope, path=Path(paths[0]), program="FREALIGN", remarks=remarks)


def read_cistem_particles(path: Path, microscope: Microscope) -> ParticleTables:
    """Read a star file of cisTEM; particles that are not active are left out, other columns keep their names.

    Raises
    ------
    InputError
        As :func:`read_frealign_particles`.
    """
    block = next(each for each in read_star_blocks(path).values() if f"{CISTEM}PositionInStack" in each.columns)
    renamed = {f"{CISTEM}{name}": short for name, short in CISTEM_COLUMNS.items()}
    missing = [f"_{name}" for name, short in renamed.items() if short in NEEDED and name not in block.columns]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]}: give the particles of a cisTEM refinement.")
    table = block[[name for name in block.columns if name.startswith(CISTEM)]].rename(columns=renamed)
    for name, short in renamed.items():
        if short in table.columns and short != "STACK":
            table[short] = parse_numbers(table[short], source=str(path), name=name)
    check_whole(table["POS"].to_numpy(), source=str(path), name=f"{CISTEM}PositionInStack", least=1)
    remarks = []
    if "ACTIVITY" in table.columns and (table["ACTIVITY"] < 0).any():
        remarks.append(f"{int((table['ACTIVITY'] < 0).sum())} of {len(table)} particles are not active and left out")
        table = table[table["ACTIVITY"] >= 0].reset_index(drop=True)
    return _make_tables(table, microscope, path=path, program="cisTEM", remarks=remarks)


def _read_par(path: Path) -> pd.DataFrame:
    path = require_file(path, "a parameter file of FREALIGN (.par)")
    rows, numbers = [], []
    for number, line in enumerate(read_text(path, what="a parameter file of FREALIGN").split("\n"), start=1):
        if line.strip() and not line.lstrip().upper().startswith("C"):  # comments, the heads of columns among them
            rows.append(_split(line))
            numbers.append(number)
    if not rows:
        raise InputError(f"{path} holds no particles: give a parameter file (.par) with at least one row.")
    width = len(rows[0])
    if width not in LAYOUTS:
        raise InputError(
            f"{path}, line {numbers[0]}: {width} values, wanted {', '.join(map(str, sorted(LAYOUTS)))} (FREALIGN 8, 9, "
            "or cisTEM)."
        )
    for number, row in zip(numbers, rows, strict=True):
        if len(row) != width:
            raise InputError(f"{path}, line {number}: {len(row)} values, but {width} in the lines above: correct it.")
    names = LAYOUTS[width]
    texts = pd.DataFrame(rows, columns=names)
    table = pd.DataFrame({name: _parse_column(texts[name], source=str(path)) for name in names})
    check_whole(table["POS"].to_numpy(), source=str(path), name="POS", least=1)
    return table


def _parse_column(texts: pd.Series, *, source: str) -> np.ndarray:
    if texts.name in NOT_USED:
        texts = texts.mask(texts.str.fullmatch(r"\*+"), "nan")  # what Fortran writes of a number too wide
    return parse_numbers(texts, source=source, may_be_nan=texts.name in NOT_USED)


def _split(line: str) -> list[str]:
    values = line.split()
    if len(values) in LAYOUTS:
        return values
    for widths in WIDTHS.values():
        if len(line.rstrip()) == sum(widths):
            ends = np.cumsum(widths)
            return [line[end - width : end].strip() for end, width in zip(ends, widths, strict=True)]
    return values


def _make_tables(
    table: pd.DataFrame, microscope: Microscope, *, path: Path, program: str, remarks: list[str]
) -> ParticleTables:
    if len(table) == 0:
        raise InputError(f"{path} holds no particles: give a file with at least one active one.")
    if "STACK" not in table.columns:
        _require_said(microscope, path, ("stack",))
    stacks = table["STACK"] if microscope.stack is None else [str(microscope.stack.resolve())] * len(table)
    numbers = table["POS"].to_numpy().astype(int).tolist()
    columns: dict[str, object] = {
        IMAGE: [name_image(number, stack) for number, stack in zip(numbers, stacks, strict=True)],
        "rlnAngleRot": table["PHI"],
        "rlnAngleTilt": table["THETA"],
        "rlnAnglePsi": table["PSI"],
    }
    in_pixels = "PRESA" in table.columns
    for axis in "XY":
        columns[f"rlnOrigin{axis}" if in_pixels else f"rlnOrigin{axis}Angst"] = 0.0 - table[f"SH{axis}"]
    if "DF1" in table.columns:
        columns |= _make_ctf(table, microscope, path)
    if microscope.pixel_size is not None or "PIXEL" in table.columns:
        columns[PIXEL_SIZE] = table["PIXEL"] if microscope.pixel_size is None else microscope.pixel_size
    if "FILM" in table.columns:
        columns["rlnMicrographName"] = [f"film_{int(film)}" for film in table["FILM"]]
    if "CLASS" in table.columns:
        columns["rlnClassNumber"] = table["CLASS"]
    kept = {"OCC": "Occupancy", "LOGP": "LogP", "SIGMA": "Sigma", "SCORE": "Score"}
    columns |= {f"{CISTEM}{name}": table[short] for short, name in kept.items() if short in table.columns}
    columns |= {name: table[name] for name in table.columns if name.startswith(CISTEM)}
    return ParticleTables(pd.DataFrame(columns), None, path, program, tuple(remarks))


def _make_ctf(table: pd.DataFrame, microscope: Microscope, path: Path) -> dict[str, object]:
    for name, short in CISTEM_COLUMNS.items():
        if short in DEFOCUS and short not in table.columns:
            raise InputError(
                f"{path} lacks the column _{CISTEM}{name}: add it, for a CTF needs Defocus1, Defocus2 and DefocusAngle."
            )
    columns: dict[str, object] = {
        "rlnDefocusU": table["DF1"],
        "rlnDefocusV": table["DF2"],
        "rlnDefocusAngle": table["ANGAST"],
    }
    if "PSHIFT" in table.columns:
        columns["rlnPhaseShift"] = np.rad2deg(table["PSHIFT"])
    said = {"VOLTAGE": "voltage_kv", "CS": "cs_mm", "CONTRAST": "amplitude_contrast"}
    names = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
    for name, (short, option) in zip(names, said.items(), strict=True):
        if short not in table.columns:
            _require_said(microscope, path, (option,))
        given = getattr(microscope, option)
        columns[name] = table[short] if given is None else given
    return columns


def _require_said(microscope: Microscope, path: Path, names: Sequence[str]) -> None:
    missing = [f"--{name.replace('_', '-')}" for name in names if getattr(microscope, name) is None]
    if missing:
        raise InputError(
            f"{path} does not say all of its images: convert it with `deephemnma convert`, and give "
            f"{', '.join(missing)}."
        )
