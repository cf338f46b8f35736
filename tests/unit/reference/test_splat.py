import torch

from deephemnma.reference.splat import gather, get_margin, make_patches, splat

SHAPE = (21, 18, 24)
WIDTH = 1.3


def make_sites() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    margin = get_margin(WIDTH)
    room = torch.tensor(SHAPE) - 1 - 2 * margin
    return margin + room * torch.rand(30, 3, generator=generator), 0.5 + torch.rand(30, generator=generator)


def compute_loss(positions: torch.Tensor, weights: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1/2 |model - target|^2 with every Gaussian summed over the whole grid."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(side) for side in SHAPE], indexing="ij"), dim=-1)
    squares = (grid[None] - positions[:, None, None, None]).square().sum(dim=-1)
    model = (weights[:, None, None, None] * torch.exp(-squares / (2 * WIDTH**2))).sum(dim=0)
    return 0.5 * (model - target).square().sum()


def test_splat_is_the_sum_of_gaussians_cut_at_three_widths() -> None:
    positions, weights = make_sites()
    grid = splat(make_patches(positions, width=WIDTH, shape=SHAPE), weights, shape=SHAPE)
    missed = 2 * compute_loss(positions.double(), weights.double(), grid.double())
    assert missed.sqrt() < 0.02 * grid.norm()


def test_gather_is_the_derivative() -> None:
    """Against autograd through whole Gaussians, which knows neither patches nor profiles."""
    positions, weights = make_sites()
    generator = torch.Generator().manual_seed(6)
    target = torch.rand(SHAPE, generator=generator)
    patches = make_patches(positions, width=WIDTH, shape=SHAPE)
    by_positions, by_weights = gather(patches, weights, residual=splat(patches, weights, shape=SHAPE) - target)
    exact_positions = positions.double().requires_grad_()
    exact_weights = weights.double().requires_grad_()
    compute_loss(exact_positions, exact_weights, target.double()).backward()
    assert (by_positions - exact_positions.grad).norm() < 0.03 * exact_positions.grad.norm()
    assert (by_weights - exact_weights.grad).norm() < 0.03 * exact_weights.grad.norm()


def test_gather_is_the_adjoint_of_splat() -> None:
    positions, weights = make_sites()
    patches = make_patches(positions, width=WIDTH, shape=SHAPE)
    image = torch.rand(SHAPE, generator=torch.Generator().manual_seed(7))
    forward = (splat(patches, weights, shape=SHAPE) * image).sum()
    _, by_weights = gather(patches, weights, residual=image)
    torch.testing.assert_close(forward, (weights * by_weights).sum())
