"""Small elastic networks."""

import pytest
import torch
from solver_choice import SOLVERS, choose_solver


@pytest.fixture(params=SOLVERS)
def solver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with each solver."""
    choose_solver(monkeypatch, request.param)
    return request.param


@pytest.fixture(params=SOLVERS[1:])
def iterative_solver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with each solver of large matrices."""
    choose_solver(monkeypatch, request.param)
    return request.param


@pytest.fixture
def two_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the solver of the largest matrices solve."""
    choose_solver(monkeypatch, "two levels")


@pytest.fixture
def cloud() -> torch.Tensor:
    """60 sites in a ball of 8 A: with the default cutoff one rigid piece."""
    generator = torch.Generator().manual_seed(3)
    directions = torch.nn.functional.normalize(torch.randn(60, 3, generator=generator, dtype=torch.float64), dim=-1)
    return 8 * directions * torch.rand(60, 1, generator=generator, dtype=torch.float64) ** (1 / 3)
