import torch

from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.superposition import compute_rmsd, fit_rigid_motion, superimpose


def make_cloud(generator: torch.Generator, *, sites: int = 40) -> torch.Tensor:
    return 10 * torch.randn(sites, 3, generator=generator, dtype=torch.float64)


def test_a_moved_copy_comes_back(generator: torch.Generator) -> None:
    target = make_cloud(generator)
    rotations = make_random_rotations(5, generator=generator)
    mobile = target @ rotations.mT + torch.tensor([3.0, -20.0, 7.0], dtype=torch.float64)
    motion = fit_rigid_motion(mobile, target)
    assert torch.allclose(motion.rotations @ rotations, torch.eye(3, dtype=torch.float64).expand(5, 3, 3))
    assert torch.allclose(superimpose(mobile, target), target.expand(5, -1, -1))


def test_a_mirror_image_is_not_turned_over(generator: torch.Generator) -> None:
    target = make_cloud(generator)
    motion = fit_rigid_motion(-target, target)
    assert torch.allclose(motion.rotations.det(), torch.ones((), dtype=torch.float64))
    assert compute_rmsd(motion.apply(-target), target) > 5


def test_what_is_left_has_no_rigid_part(generator: torch.Generator) -> None:
    target = make_cloud(generator)
    mobile = target + 4 * make_cloud(generator) / 10
    left = superimpose(mobile, target) - target
    assert torch.allclose(left.sum(dim=0), torch.zeros(3, dtype=torch.float64), atol=1e-9)
    moment = torch.linalg.cross(target - target.mean(dim=0), left).sum(dim=0)
    assert torch.allclose(moment, torch.zeros(3, dtype=torch.float64), atol=1e-7)


def test_nothing_comes_closer(generator: torch.Generator) -> None:
    target = make_cloud(generator)
    mobile = target + make_cloud(generator) / 3
    best = compute_rmsd(superimpose(mobile, target), target)
    others = torch.cat([mobile[None], mobile @ make_random_rotations(50, generator=generator).mT])
    assert (compute_rmsd(others, target) >= best).all()


def test_sites_without_weight_have_no_say(generator: torch.Generator) -> None:
    target = make_cloud(generator)
    mobile = target @ make_random_rotations(1, generator=generator)[0].mT
    mobile[:5] += 30
    weights = torch.ones(40)
    weights[:5] = 0
    placed = superimpose(mobile, target, weights=weights)
    assert torch.allclose(placed[5:], target[5:])
