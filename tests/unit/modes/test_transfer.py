import torch

from deephemnma.core.model import Modes
from deephemnma.modes.transfer import transfer_modes


def _draw(count: int, generator: torch.Generator) -> torch.Tensor:
    return 20 * torch.rand(count, 3, generator=generator, dtype=torch.float64)


def _make(*fields: torch.Tensor) -> Modes:
    return Modes(torch.stack(fields), torch.ones(len(fields), dtype=torch.float64), tuple(range(7, 7 + len(fields))))


def test_turns_and_strains_are_carried_nearly_exactly(generator: torch.Generator) -> None:
    sources, targets = _draw(600, generator), _draw(200, generator)
    matrices = torch.randn(3, 3, 3, generator=generator, dtype=torch.float64)
    matrices[0] -= matrices[0].mT.clone()  # a turn
    carried = transfer_modes(_make(*(sources @ matrix for matrix in matrices)), sources, targets)
    wanted = torch.stack([targets @ matrix for matrix in matrices])
    assert (carried.vectors - wanted).abs().max() < 1e-3 * wanted.abs().max()


def test_smooth_fields_are_carried_between_places(generator: torch.Generator) -> None:
    sources, targets = _draw(3000, generator), _draw(300, generator)
    carried = transfer_modes(_make((sources / 6).sin()), sources, targets)
    inner = ((targets > 2) & (targets < 18)).all(1)
    error = (carried.vectors[0] - (targets / 6).sin())[inner]
    assert error.square().mean().sqrt() < 0.03


def test_places_in_a_plane_or_few_of_them_do(generator: torch.Generator) -> None:
    flat = _draw(50, generator) * torch.tensor([1.0, 1.0, 0.0])
    lift = torch.ones(50, 3, dtype=torch.float64)
    carried = transfer_modes(_make(lift), flat, flat[:5] + torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(carried.vectors[0], lift[:5], atol=1e-6, rtol=0)
    few = transfer_modes(_make(lift[:3]), flat[:3], flat[:2])
    assert few.vectors.isfinite().all()


def test_sites_carried_to_themselves_keep_numbers_and_order(generator: torch.Generator) -> None:
    sources = _draw(400, generator)
    modes = _make((sources / 8).sin(), (sources / 8).cos())
    carried = transfer_modes(modes, sources, sources)
    assert carried.numbers == modes.numbers
    assert (carried.vectors - modes.vectors).square().mean().sqrt() < 0.02
