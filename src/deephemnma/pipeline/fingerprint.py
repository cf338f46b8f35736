"""Fingerprints: what decides whether a stage is done already."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

_WHOLE = 1 << 28
"""Files up to this many bytes are hashed whole."""
_SAMPLE = 1 << 24
_WITHOUT_EFFECT = frozenset({"workers"})
"""Options that change how fast an answer comes, not the answer."""
_PLACES = frozenset({"datadir"})
"""Options that tell where to look for what an input names; they are no inputs themselves."""


def hash_file(path: Path) -> str:
    """Return a SHA-256 of the file's bytes; of its size, first and last 16 MiB where it is larger than 256 MiB."""
    digest = hashlib.sha256()
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            while chunk := file.read(_SAMPLE):
                digest.update(chunk)
        else:
            digest.update(f"sampled {size}".encode())
            digest.update(file.read(_SAMPLE))
            file.seek(-_SAMPLE, 2)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


def describe_settings(settings: Any) -> Any:
    """Return settings as plain values that JSON and YAML can hold, in the order of the fields."""
    if is_dataclass(settings):
        return {field.name: describe_settings(getattr(settings, field.name)) for field in fields(settings)}
    if isinstance(settings, Path):
        return str(settings)
    if isinstance(settings, list | tuple):
        return [describe_settings(value) for value in settings]
    if isinstance(settings, dict):
        return {str(name): describe_settings(value) for name, value in settings.items()}
    return settings


def find_input_paths(settings: Any) -> list[Path]:
    """Return every path of an input among the settings, in order."""
    if is_dataclass(settings):
        names = [field.name for field in fields(settings) if field.name not in _PLACES]
        return [path for name in names for path in find_input_paths(getattr(settings, name))]
    if isinstance(settings, list | tuple):
        return [path for value in settings for path in find_input_paths(value)]
    return [settings] if isinstance(settings, Path) else []


def make_fingerprint(stage: str, settings: Any, *, version: str, inputs: dict[str, str]) -> str:
    """Return one hash of all that a stage's answer depends on.

    Paths count by what the files hold, not by where they lie.
    """
    described = [stage, version, _leave_out(describe_settings(_blank_paths(settings))), list(inputs.values())]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _blank_paths(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _blank_paths(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_blank_paths(part) for part in value]
    return "file" if isinstance(value, Path) else value


def _leave_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _leave_out(part) for name, part in value.items() if name not in _WITHOUT_EFFECT}
    if isinstance(value, list):
        return [_leave_out(part) for part in value]
    return value
