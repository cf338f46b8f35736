import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deephemnma.core.rotation import make_random_rotations
from deephemnma.modes.normal_modes import compute_modes


def draw_cloud(generator: torch.Generator) -> torch.Tensor:
    return 12 * torch.rand(40, 3, generator=generator, dtype=torch.float64)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), shift=st.floats(-1e3, 1e3))
def test_modes_move_with_the_molecule(seed: int, shift: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    positions = draw_cloud(generator)
    rotation = make_random_rotations(1, generator=generator)[0]
    modes = compute_modes(positions, cutoff=10.0)
    moved = compute_modes(positions @ rotation.T + shift, cutoff=10.0)
    assert torch.allclose(moved.eigenvalues, modes.eigenvalues, atol=1e-8, rtol=1e-8)
    overlap = torch.einsum("msx,nsx->mn", moved.vectors, modes.vectors @ rotation.T)
    assert torch.allclose(overlap @ overlap.T, torch.eye(20, dtype=torch.float64), atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31))
def test_order_of_sites_does_not_matter(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    positions = draw_cloud(generator)
    order = torch.randperm(40, generator=generator)
    modes, shuffled = compute_modes(positions, cutoff=10.0), compute_modes(positions[order], cutoff=10.0)
    assert torch.allclose(shuffled.eigenvalues, modes.eigenvalues, atol=1e-9, rtol=1e-9)
    overlap = torch.einsum("msx,nsx->mn", shuffled.vectors, modes.vectors[:, order])
    assert torch.allclose(overlap @ overlap.T, torch.eye(20, dtype=torch.float64), atol=1e-5)
