"""Files of named arrays: ``.npz``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file, write_beside


def write_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` as ``.npz``, whatever the name ends in."""
    # An open file, because numpy appends .npz to names that end otherwise.
    with write_beside(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def read_arrays(path: Path | str, *, needed: Sequence[str], what: str, command: str) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz``.

    Parameters
    ----------
    needed
        Arrays that must be there.
    what
        The file's contents and usual name, for messages: ``modes (modes.npz)``.
    command
        Which writes such files, for messages: ``deephemnma modes``.

    Raises
    ------
    InputError
        If the file is missing, is not ``.npz``, or lacks an array.
    """
    path = require_file(path, what)
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, TypeError, OSError, EOFError, BadZipFile) as error:  # TypeError: a lone array, .npy
        raise InputError(f"{path} cannot be read as {what} ({error}): make it with `{command}`.") from None
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise InputError(f"{path} lacks the array {missing[0]!r}: make it again with `{command}`.")
    return arrays
