"""The text of a PDB file, with what programs get wrong put right before gemmi reads it."""

from deephemnma.core.error import InputError

_LARGEST_DECIMAL = 99_999
_HYBRID_START = 10 * 36**4  # hybrid-36: after 99,999 comes A0000
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHORTEST = 54  # the last column of the coordinates
_NO_OCCUPANCY = "  1.00  0.00"


def split_pdb(text: str, *, name: str) -> tuple[list[str], dict[int, list[str]]]:
    """Return the remarks of a PDB file, and the lines of its models as the format wants them.

    Models end where ENDMDL, END or the next MODEL says so, and are numbered from 1 unless each has its own number.
    Atoms are numbered by their place in the model. Lines that stop after the coordinates get an occupancy of 1. Of the
    other records only the remarks are wanted: they tell the biological assemblies.

    Raises
    ------
    InputError
        If the coordinates of an atom are no numbers (gemmi would take 0).
    """
    remarks: list[str] = []
    frames: list[list[str]] = [[]]
    numbers: list[str] = [""]
    for number, line in enumerate(text.splitlines(), start=1):
        record = line[:6].upper()
        if record.startswith(("ATOM", "HETATM")):
            try:
                frames[-1].append(_tidy_atom(line, serial=len(frames[-1]) + 1))
            except ValueError:
                raise InputError(
                    f"{name}, line {number}: the atom's coordinates (columns 31-54) are {line[30:54]!r}, not three "
                    "numbers: correct the file."
                ) from None
        elif record.startswith("TER") and frames[-1]:
            frames[-1].append("TER")
        elif record.startswith("MODEL ") or record.strip() in {"END", "ENDMDL"}:
            if frames[-1]:
                frames.append([])
                numbers.append("")
            numbers[-1] = line[6:].strip() if record.startswith("MODEL ") else ""
        elif record == "REMARK":
            remarks.append(line)
    return remarks, _number_models(numbers, frames)


def _number_models(numbers: list[str], frames: list[list[str]]) -> dict[int, list[str]]:
    models = [(number, frame) for number, frame in zip(numbers, frames, strict=True) if frame]
    own = {int(number): frame for number, frame in models if number.isdecimal() and len(number) < 10}
    return own if len(own) == len(models) else {place: frame for place, (_, frame) in enumerate(models, start=1)}


def _tidy_atom(line: str, *, serial: int) -> str:
    """Return the line of an atom with this serial number; raise ValueError if its coordinates are no numbers."""
    for start in (30, 38, 46):
        float(line[start : start + 8])
    record = "HETATM" if line[:1] in "Hh" else "ATOM  "
    rest = line[11:] if len(line) > 60 else (line[11:_SHORTEST] + _NO_OCCUPANCY)
    return record + _encode_serial(serial) + rest


def _encode_serial(serial: int) -> str:
    """Return a serial number in PDB's five columns, in hybrid-36 where it has more digits."""
    if serial <= _LARGEST_DECIMAL:
        return f"{serial:5d}"
    value, letters = serial - _LARGEST_DECIMAL - 1 + _HYBRID_START, ""
    while value:
        value, digit = divmod(value, 36)
        letters = _DIGITS[digit] + letters
    return letters
