"""Grids, templates, and whether an image finds the template that made it."""

import pytest
import torch

from deephemnma.alignment.bank import make_bank, make_conformation_grid, make_shift_grid
from deephemnma.alignment.distinct import select_distinct
from deephemnma.alignment.observation import make_observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.score_bank import score_bank
from deephemnma.alignment.state import State
from deephemnma.core.fourier import inverse_fourier_transform
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import make_white_noise

BOX, PIXEL = 48, 1.8
SCALES = Scales(amplitude=10.0, rotation=0.05)


def test_conformations_are_a_grid_that_holds_the_reference():
    grid = make_conformation_grid(2, scales=SCALES, extent=5.0, spacing=2.5, most=200)
    assert grid.shape == (25, 2)
    assert torch.equal(grid[0], torch.zeros(2))
    assert len(grid.unique(dim=0)) == 25
    assert sorted(grid[:, 0].unique().tolist()) == [-50, -25, 0, 25, 50]


def test_many_modes_are_covered_within_the_budget():
    grid = make_conformation_grid(8, scales=SCALES, extent=5.0, spacing=2.5, most=64)
    assert grid.shape == (64, 8)
    assert torch.equal(grid[0], torch.zeros(8))
    assert float(grid.abs().max()) <= 50
    assert float(grid.abs().mean()) == pytest.approx(25, rel=0.15)


@pytest.mark.parametrize(("n_modes", "extent"), [(0, 5.0), (3, 0.0)])
def test_without_room_to_bend_there_is_one_conformation(n_modes, extent):
    grid = make_conformation_grid(n_modes, scales=SCALES, extent=extent, spacing=2.5, most=200)
    assert grid.shape == (1, n_modes)
    assert float(grid.abs().sum()) == 0


def test_shifts_fill_a_disc():
    grid = make_shift_grid(5.0, 2.0)
    assert len(grid) == len(grid.unique(dim=0)) == 21
    assert float(grid.norm(dim=1).max()) <= 5.0
    assert bool((grid == 0).all(1).any())
    assert make_shift_grid(0.0, 2.0).tolist() == [[0.0, 0.0]]


def make_states(distances: list[float]) -> State:
    """Make states along one mode, so many A RMS from the origin."""
    count = len(distances)
    amplitudes = SCALES.amplitude * torch.tensor(distances)[:, None]
    return State(torch.eye(3).expand(count, 3, 3), torch.zeros(count, 2), amplitudes)


def test_distinct_states_come_best_first_and_far_apart():
    states = make_states([0.0, 0.1, 5.0, 5.1, 9.0])
    costs = torch.tensor([[-10.0, -9.0, -8.0, -9.5, -1.0]])
    rows = select_distinct(states, costs, kept=3, distance=1.0, scales=SCALES)
    assert rows.tolist() == [[0, 3, 4]]


def test_where_too_few_are_distinct_the_best_of_the_rest_fill_up():
    states = make_states([0.0, 0.1, 5.0, 0.2])
    costs = torch.tensor([[3.0, 1.0, 2.0, 1.5]])
    rows = select_distinct(states, costs, kept=4, distance=1.0, scales=SCALES)
    assert rows[0, :2].tolist() == [1, 2]
    assert sorted(rows[0].tolist()) == [0, 1, 2, 3]
    assert rows[0, 2] == 3  # the better of the two that are near


def test_each_image_chooses_among_its_own():
    states = make_states([0.0, 5.0, 0.0, 5.0])
    rows = select_distinct(states, torch.tensor([[1.0, 2.0], [2.0, 1.0]]), kept=2, distance=1.0, scales=SCALES)
    assert rows.tolist() == [[0, 1], [3, 2]]


def test_distances_count_every_parameter_in_angstrom(molecule):
    """Sites displaced by a known state lie as far as the distance says, RMS."""
    scales, model, modes = molecule.scales, molecule.model, molecule.modes
    here = State(torch.eye(3)[None], torch.zeros(1, 2), torch.zeros(1, 3))
    bent = here.move(torch.tensor([[20.0, -10, 5, 0, 0, 0, 0, 0]]))
    moved = modes.displace(model.positions, bent.amplitudes.double())[0] - model.positions
    rms = float(moved.square().sum(1).mean().sqrt())
    assert float(scales.compute_distance(here, bent)) == pytest.approx(rms, rel=1e-3)
    assert float(scales.compute_distance(here, here.move(torch.tensor([[0.0] * 6 + [3.0, 4.0]])))) == pytest.approx(5.0)
    turned = here.move(torch.tensor([[0.0, 0, 0, 0.1, 0, 0, 0, 0]]))
    assert float(scales.compute_distance(here, turned)) == pytest.approx(0.1 * scales.gyration_radius, rel=1e-3)


@pytest.mark.parametrize("with_ctf", [False, True])
def test_an_image_finds_the_template_that_made_it(molecule, with_ctf):
    """Through its own astigmatic CTF, at another contrast, moved by a shift of the grid, under noise."""
    projector = molecule.make_projector(9.0)
    conformations = make_conformation_grid(3, scales=molecule.scales, extent=4.0, spacing=4.0, most=30)
    bank = make_bank(projector, n_orientations=60, conformations=conformations)
    shifts = make_shift_grid(4.0, 2.0)
    count = 24
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(len(bank), (count,), generator=generator)
    moves = torch.randint(len(shifts), (count,), generator=generator)
    truth = bank.get_states(numbers)
    components = projector.project(truth.rotations, shifts[moves], truth.amplitudes)
    torch.testing.assert_close(
        projector.project(truth.rotations, truth.shifts, truth.amplitudes),
        bank.templates[numbers],
        atol=1e-3,
        rtol=1e-3,
    )
    optics = molecule.make_case(count, snr=1.0).source.optics if with_ctf else None
    if optics is not None:
        components = components * compute_ctf(optics.to("cpu"), projector.band.frequencies)
    clean = 3.0 * inverse_fourier_transform(projector.band.embed(components), box_size=BOX)
    noise = make_white_noise(float(clean.var()), box_size=BOX, pixel_size=PIXEL)
    observed = make_observations(
        clean + noise.draw(count, generator=generator), projector.band, optics=optics, noise=noise
    )
    found = score_bank(observed, bank, shifts, kept=5)
    best = found.states.select(torch.arange(count) * 5)
    # Views whose neighbours in conformation look alike may be taken for these.
    same = (best.rotations - truth.rotations).abs().amax((1, 2)) < 1e-5
    same &= (best.amplitudes - truth.amplitudes).abs().amax(1) < 1e-3
    assert int(same.sum()) >= count - 1
    torch.testing.assert_close(best.shifts[same], shifts[moves][same])
    assert bool((found.gains.diff(dim=1) <= 0).all())


def test_gains_are_log_likelihoods(molecule):
    """The gain is what fitting the contrast of that template lowers the cost by."""
    projector = molecule.make_projector(9.0)
    bank = make_bank(projector, n_orientations=20, conformations=torch.zeros(1, 3))
    case = molecule.make_case(6, snr=1.0, seed=2)
    observed = case.observe(9.0)
    found = score_bank(observed, bank, torch.zeros(1, 2), kept=20)
    state = found.states
    value = projector.project(state.rotations, state.shifts, state.amplitudes).unflatten(0, (6, 20))
    value = value * observed.transfer[:, None]
    inner = (value.conj() * observed.data[:, None]).real.sum(2).clamp_min(0)
    wanted = inner.square() / (2 * value.abs().square().sum(2))
    torch.testing.assert_close(found.gains, wanted, rtol=1e-3, atol=1e-2)
