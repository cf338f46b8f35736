"""The text of a PDB file, with what programs get wrong put right before gemmi reads it."""

from deephemnma.core.error import InputError

_LARGEST_DECIMAL = 99_999
_HYBRID_START = 10 * 36**4  # hybrid-36: after 99,999 comes A0000
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHORTEST = 54  # the last column of the coordinates
_NO_OCCUPANCY = "  1.00  0.00"


def tidy_pdb(text: str, *, name: str) -> str:
    """Return the text of a PDB file as the format wants it.

    Models end where ENDMDL, END or the next MODEL says so, and are numbered from 1 unless each has its own number.
    Atoms are numbered by their place in the file. Lines that stop after the coordinates get an occupancy of 1. Of the
    other records only remarks are kept.

    Raises
    ------
    InputError
        If the coordinates of an atom are no numbers (gemmi would take 0).
    """
    header: list[str] = []
    frames: list[list[str]] = [[]]
    numbers: list[str] = [""]
    n_atoms = 0
    for number, line in enumerate(text.splitlines(), start=1):
        record = line[:6].upper()
        if record.startswith(("ATOM", "HETATM")):
            n_atoms += 1
            frames[-1].append(_tidy_atom(line, serial=n_atoms, place=f"{name}, line {number}"))
        elif record.startswith("TER"):
            frames[-1].append("TER")
        elif record.startswith("MODEL ") or record.strip() in {"END", "ENDMDL"}:
            if frames[-1]:
                frames.append([])
                numbers.append("")
            numbers[-1] = line[6:].strip() if record.startswith("MODEL ") else ""
        elif record == "REMARK":  # biological assemblies, and what Xmipp says; of the rest nothing is wanted
            header.append(line)
    models = [(number, frame) for number, frame in zip(numbers, frames, strict=True) if _has_atoms(frame)]
    return "\n".join(header + _join_models(models) + ["END", ""])


def _has_atoms(frame: list[str]) -> bool:
    return any(line != "TER" for line in frame)


def _join_models(models: list[tuple[str, list[str]]]) -> list[str]:
    if len(models) == 1 and not models[0][0]:
        return models[0][1]
    own = {number for number, _ in models if number.isdecimal()}
    lines = []
    for place, (number, frame) in enumerate(models, start=1):
        label = int(number) if len(own) == len(models) else place
        lines += [f"MODEL     {label:4d}", *frame, "ENDMDL"]
    return lines


def _tidy_atom(line: str, *, serial: int, place: str) -> str:
    coordinates = line[30:38], line[38:46], line[46:54]
    try:
        for coordinate in coordinates:
            float(coordinate)
    except ValueError:
        raise InputError(
            f"{place}: the atom's coordinates (columns 31-54) are {line[30:54]!r}, not three numbers: correct the file."
        ) from None
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
