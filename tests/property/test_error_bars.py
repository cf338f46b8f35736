"""Error bars of any curvature."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from deephemnma.alignment.objective import invert_curvature, invert_fisher


@given(st.integers(2, 12), st.integers(0, 10**6), st.integers(-4, 4))
def test_the_variance_of_a_parameter_is_the_schur_complement_of_all_others(size, seed, decades):
    """Whatever the units: 1 / (H_kk - H_kr H_rr^-1 H_rk)."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(3, size, 2 * size, generator=generator, dtype=torch.float64)
    units = 10.0 ** (decades * torch.rand(size, generator=generator, dtype=torch.float64))
    curvature = root @ root.mT * units[:, None] * units
    covariance = invert_curvature(curvature)
    for one in range(size):
        rest = [other for other in range(size) if other != one]
        cross = curvature[:, one, rest]
        explained = (cross * torch.linalg.solve(curvature[:, rest][:, :, rest], cross)).sum(1)
        variance = 1 / (curvature[:, one, one] - explained)
        torch.testing.assert_close(covariance[:, one, one], variance, rtol=1e-6, atol=0)
    assert torch.equal(invert_fisher(curvature), covariance[:, :-1, :-1])


@given(st.integers(2, 8), st.integers(0, 10**6))
def test_what_is_learnt_never_widens_an_error_bar(size, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, 3, size, 2 * size, generator=generator, dtype=torch.float64)
    before = invert_curvature(first @ first.mT).diagonal(dim1=1, dim2=2)
    after = invert_curvature(first @ first.mT + second @ second.mT).diagonal(dim1=1, dim2=2)
    assert bool((after <= before * (1 + 1e-9)).all())
