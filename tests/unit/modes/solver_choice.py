"""Which solver finds the modes, whatever the size."""

import pytest

from deephemnma.modes import eigen

SOLVERS = ("dense", "inverse", "two levels")


def choose_solver(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let one of `SOLVERS` do it."""
    monkeypatch.setattr(eigen, "DENSE_BELOW", 10_000 if name == "dense" else 0)
    monkeypatch.setattr(eigen, "is_factorizable", lambda hessian: name == "inverse")
