"""Checks of option values; every message names the option as users type it."""

from collections.abc import Collection

from deephemnma.core.error import InputError

LARGEST_BOX = 4096
"""Side of the largest images, pixels: more than any camera's particles, less than what fills a machine by a slip."""


def check_positive(option: str, value: int | float) -> None:
    """Raise unless `value` is greater than 0."""
    if not value > 0:
        raise InputError(f"{option} must be greater than 0, but {value} was given.")


def check_at_least(option: str, value: int | float, minimum: int | float) -> None:
    """Raise unless `value` is `minimum` or more."""
    if not value >= minimum:
        raise InputError(f"{option} must be {minimum} or more, but {value} was given.")


def check_between(option: str, value: int | float, low: int | float, high: int | float) -> None:
    """Raise unless `value` lies in [low, high]."""
    if not low <= value <= high:
        raise InputError(f"{option} must lie between {low} and {high}, but {value} was given.")


def check_one_of(option: str, value: str, allowed: Collection[str]) -> None:
    """Raise unless `value` is among `allowed`."""
    if value not in allowed:
        raise InputError(f"{option} must be one of {', '.join(allowed)}, but {value!r} was given.")
