"""Writing so that a killed run never leaves half a file that a later one trusts."""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deephemnma.core.error import InputError

_LEFTOVER = re.compile(r"\..+\.[0-9]+-[0-9a-f]{8}(\.[^.]*)?")
"""Names of what a killed run was writing."""


@contextmanager
def write_beside(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` (made if absent); rename it to `path` if the block succeeds.

    The temporary name keeps the extension, which several writers go by. After an error nothing is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _name_beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_folder_beside(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; rename it to `path` if the block succeeds.

    Where `path` is there by then (a worker that outlived a killed run was first), that one stays.
    """
    temporary = _name_beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if not path.exists():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_leftover(path: Path) -> bool:
    """Return whether `path` is named like what a killed run was writing beside its place."""
    return _LEFTOVER.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove what killed runs were writing beside its place, anywhere in `folder`; nothing else that is hidden."""
    for path in list(filter(is_leftover, folder.rglob(".*"))):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path | str, content: Any) -> None:
    """Write `content` as indented JSON; paths become text."""
    with write_beside(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        If the file is missing or not JSON.
    """
    path = require_file(path, "a JSON file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{path} is not valid JSON ({error}); mend it, or delete it and run its stage again."
        ) from None


def _name_beside(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")


def require_file(path: Path | str, wanted: str) -> Path:
    """Return `path` if it is a file.

    Raises
    ------
    InputError
        If it is not; the message says that `wanted` was looked for.
    """
    path = Path(path)
    if not is_file(path):
        raise InputError(f"Wanted {wanted} at {path}, but {describe_place(path)}: check the path.")
    return path


def is_file(path: Path) -> bool:
    """Return whether `path` is a file, also where its name is longer than the system has names."""
    try:
        return path.is_file()
    except OSError:
        return False


def describe_place(path: Path) -> str:
    """Return, in words, what is in the place of a file that is none."""
    try:
        if path.is_dir():
            return "a folder stands there"
        if path.exists():
            return "a pipe or a device stands there, which can be read but once"
        if path.is_symlink():
            return "a link stands there that leads nowhere"
    except OSError as error:
        return f"the system refuses the name ({error.strerror})"
    return "there is no such file"
