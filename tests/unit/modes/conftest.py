"""Small elastic networks."""

import pytest
import torch


@pytest.fixture
def cloud() -> torch.Tensor:
    """60 sites in a ball of 8 A: with the default cutoff one rigid piece."""
    generator = torch.Generator().manual_seed(3)
    directions = torch.nn.functional.normalize(torch.randn(60, 3, generator=generator, dtype=torch.float64), dim=-1)
    return 8 * directions * torch.rand(60, 1, generator=generator, dtype=torch.float64) ** (1 / 3)
