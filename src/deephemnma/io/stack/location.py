"""Where the stacks lie that a table of particles names."""

import os
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.io.atomic import describe_place, is_file
from deephemnma.io.metadata.image_name import CRYOSPARC_NUMBER

XMIPP_KINDS = (":mrcs", ":mrc", ":stk", ":spi")
"""What Xmipp puts behind a name to say what kind of file it is."""
LONGEST_NAME = 300


def list_places(name: str, *, table_path: Path, datadir: Path | None) -> list[Path]:
    """Return the places where the stack `name` may lie, in the order in which they are tried.

    `name` under `datadir`, the table's folder, each of that folder's parents (the names of RELION and cryoSPARC start
    at the project's folder) and the working folder; then the bare file name under `datadir` and beside the table, as it
    stands and without the number that cryoSPARC puts before the names of what it imports. A leading ``>`` (cryoSPARC)
    and a kind behind a colon (Xmipp) do not count.
    """
    name = name.removeprefix(">")
    for kind in XMIPP_KINDS:
        name = name.removesuffix(kind)
    given = [] if datadir is None else [datadir]
    folder = table_path.absolute().parent
    places = [base / name for base in (*given, folder, *folder.parents, Path.cwd())]
    bare = Path(name).name
    places += [base / file for base in (*given, folder) for file in (bare, CRYOSPARC_NUMBER.sub("", bare))]
    return list(dict.fromkeys(places))


def find_stack(name: str, *, table_path: Path, datadir: Path | None) -> Path | None:
    """Return where the stack `name` of a table lies, or None."""
    for place in list_places(name, table_path=table_path, datadir=datadir):
        if is_file(place):
            return place
    return None


def check_datadir(datadir: Path | None) -> None:
    """Raise unless `datadir` is a folder or None."""
    if datadir is not None and not datadir.is_dir():
        raise InputError(f"There is no folder {datadir}: check --datadir (it is taken relative to the current folder).")


def tell_missing(name: str, *, table_path: Path, datadir: Path | None) -> str:
    """Return the sentence that a stack was not found, and what to do."""
    places = list_places(name, table_path=table_path, datadir=datadir)
    tried = shorten(str(places[0]))
    if not Path(name).is_absolute():
        tried += f" and {len(places) - 1} more places above it"
    return (
        f"{table_path} names the stack {shorten(name)!r}, which was not found (tried {tried}, and the bare file name "
        f"beside the file): {advise(name, table_path=table_path)}"
    )


def shorten(name: str) -> str:
    """Return a name that fits into a sentence."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def advise(name: str, *, table_path: Path) -> str:
    """Return the likely fix for a stack that was not found: the folder from which its name would lead to a file."""
    obstacle = _find_obstacle(name, table_path=table_path)
    if obstacle is not None:
        return f"at {obstacle} {describe_place(obstacle)}; put the stack there, or correct its name."
    parts = [part for part in Path(name.removeprefix(">")).parts if part != "/"]
    folder = table_path.absolute().parent
    for base in (folder, *folder.parents[:3], *_list_folders(folder), *_list_folders(folder.parent)):
        for first in range(len(parts)):
            found = base / Path(*parts[first:])
            if is_file(found):
                return f"it may be {found}; name its folder (--datadir {found.parent})."
    return "give the folder that this path starts from (--datadir)."


def _find_obstacle(name: str, *, table_path: Path) -> Path | None:
    """Return what is in the place of a stack, seen from the table, and is no file."""
    place = table_path.absolute().parent / name.removeprefix(">")
    return place if os.path.lexists(place) and not is_file(place) else None


def _list_folders(folder: Path) -> list[Path]:
    try:
        return [each for each in sorted(folder.iterdir()) if each.is_dir()][:100]
    except OSError:
        return []
