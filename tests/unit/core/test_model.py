import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel, Modes


@pytest.fixture
def modes(generator):
    vectors = torch.randn(4, 5, 3, generator=generator, dtype=torch.float64)
    return Modes(vectors / vectors.flatten(1).norm(dim=1)[:, None, None], torch.arange(4).double(), (7, 8, 9, 11))


def test_modes_are_selected_by_number_in_the_order_asked_for(modes):
    chosen = modes.select((11, 7))
    assert chosen.numbers == (11, 7)
    assert torch.equal(chosen.vectors, modes.vectors[[3, 0]])
    assert chosen.eigenvalues.tolist() == [3, 0]


def test_a_mode_that_is_not_there_is_named(modes):
    with pytest.raises(InputError, match="Mode 10 was asked for"):
        modes.select((7, 10))


def test_displacement_has_the_rmsd_of_its_amplitude(modes):
    positions = torch.zeros(5, 3, dtype=torch.float64)
    moved = modes.displace(positions, torch.tensor([[10.0, 0, 0, 0], [0, 0, 0, -4]], dtype=torch.float64))
    rmsd = moved.square().sum(-1).mean(-1).sqrt()
    torch.testing.assert_close(rmsd, torch.tensor([10, 4], dtype=torch.float64) / 5**0.5)


def test_displacements_add_up(modes, generator):
    positions = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    amplitudes = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    together = modes.displace(positions, amplitudes[:1] + amplitudes[1:])
    one_by_one = modes.displace(modes.displace(positions, amplitudes[:1])[0], amplitudes[1:])
    torch.testing.assert_close(together, one_by_one)


def test_counts_and_types(modes):
    assert (modes.n_modes, modes.n_sites) == (4, 5)
    assert modes.to("cpu").vectors.dtype == torch.float32


def test_radius_is_the_farthest_site():
    positions = torch.tensor([[0, 0, 0], [3, 4, 0], [0, -1, 0]], dtype=torch.float64)
    ones = torch.ones(3, dtype=torch.float64)
    model = GaussianModel(positions=positions, weights=ones, widths=ones, center=torch.zeros(3, dtype=torch.float64))
    assert model.radius == 5
    assert model.n_sites == 3
    assert model.to("cpu").weights.dtype == torch.float32
