"""Settings from plain values, as a YAML file holds them."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from deephemnma.core.error import InputError

Kind = TypeVar("Kind")
ResolvePath = Callable[[str], Path]


def list_options(kind: type) -> list[str]:
    """Return the names of all options of a dataclass of settings, those of its groups included."""
    hints = get_type_hints(kind)
    names: list[str] = []
    for each in fields(kind):
        names += list_options(hints[each.name]) if is_dataclass(hints[each.name]) else [each.name]
    return names


def list_changed(options: Any) -> list[str]:
    """Return the options, those of groups included, that are not as they come, as words of the command line."""
    usual, words = type(options)(), []
    for each in fields(options):
        value, name = getattr(options, each.name), each.name.replace("_", "-")
        if is_dataclass(value):
            words += list_changed(value)
        elif value == getattr(usual, each.name):
            continue
        elif value is True or value is False:
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return words


def make_settings(kind: type[Kind], options: Mapping[str, Any], *, resolve_path: ResolvePath, where: str) -> Kind:
    """Make settings of `kind` from options by name, without regard to the groups that they stand in.

    The options of a group may also stand in a mapping under the group's name, which tells apart options of the same
    name (``search: {starts: 8}``).

    Parameters
    ----------
    kind
        A dataclass of settings.
    options
        Value of each option; names with ``-`` or ``_``.
    resolve_path
        Turns the text of a path into the path.
    where
        What the options belong to, for messages.

    Raises
    ------
    InputError
        If an option is unknown, missing or of the wrong kind.
    """
    rest = {str(name).replace("-", "_"): value for name, value in options.items()}
    settings = _build(kind, rest, resolve_path, where)
    if rest:
        name = next(iter(rest))
        near = difflib.get_close_matches(name, list_options(kind), n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(list_options(kind))}."
        raise InputError(f"{where} has no option {name}: {hint}")
    return settings


def _build(kind: type[Kind], rest: dict[str, Any], resolve_path: ResolvePath, where: str) -> Kind:
    hints = get_type_hints(kind)
    values = {}
    for each in fields(kind):
        hint = hints[each.name]
        if is_dataclass(hint) and isinstance(rest.get(each.name), Mapping):
            values[each.name] = make_settings(
                hint, rest.pop(each.name), resolve_path=resolve_path, where=f"{where}, {each.name}"
            )
        elif is_dataclass(hint):
            values[each.name] = _build(hint, rest, resolve_path, where)
        elif each.name in rest:
            values[each.name] = _convert(rest.pop(each.name), hint, resolve_path, f"{where}, {each.name}")
        elif _is_required(each):
            raise InputError(f"{where} lacks the option {each.name}: add it.")
    return kind(**values)


def _is_required(field: Field) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _convert(value: Any, hint: Any, resolve_path: ResolvePath, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if value is None:
            return None
        (hint,) = [part for part in get_args(hint) if part is not NoneType]
        return _convert(value, hint, resolve_path, where)
    if origin is tuple:
        parts = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(part, get_args(hint)[0], resolve_path, where) for part in parts)
    if origin is Literal:
        if value not in get_args(hint):
            raise InputError(f"{where} must be one of {', '.join(map(str, get_args(hint)))}, but {value!r} was given.")
        return value
    if hint is Path:
        return resolve_path(str(value))
    return _convert_plain(value, hint, where)


def _convert_plain(value: Any, hint: type, where: str) -> Any:
    """Convert to bool, int, float or text; a whole number may be written 4e5."""
    try:
        if hint is bool and isinstance(value, bool):
            return value
        if hint is int and not isinstance(value, bool) and float(value) == int(float(value)):
            return int(float(value))
        if hint is float and not isinstance(value, bool):
            return float(value)
        if hint is str and isinstance(value, str | int | float):
            return str(value)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{where} must be of kind {hint.__name__}, but {value!r} was given.")
