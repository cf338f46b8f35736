"""The descent: it reaches the bound, and says when it has not."""

import itertools

import torch

from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.levenberg import fit
from deephemnma.alignment.schedule import Level, descend
from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations, rotation_from_vector
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.band import make_band
from deephemnma.imaging.slice_projector import SliceProjector
from deephemnma.reconstruction.model_map import make_model_map


def make_levels(molecule) -> list[Level]:
    resolutions = ((10.0, 6), (6.0, 6), (0.0, 20))
    return [Level(molecule.make_projector(resolution), 1, iterations) for resolution, iterations in resolutions]


def test_descent_reaches_the_bound_from_ten_degrees_and_sixty_units(molecule):
    """Coarse to fine, one start, at SNR 1. 60 units of the atomic model are 1.5 A RMSD: along each mode, 2.6 A."""
    case = molecule.make_case(32, snr=1.0, seed=20)
    generator = torch.Generator().manual_seed(1)
    axes = make_random_rotations(32, generator=generator)[:, 0].float()
    bend = 1.5 * molecule.scales.amplitude * torch.randn(32, 3, generator=generator).sign()
    away = torch.cat((bend, 0.175 * axes, torch.ones(32, 2)), dim=1)
    found = descend(case.observe(), make_levels(molecule), case.truth.move(away), scales=molecule.scales)
    bound = compute_bound(
        molecule.model,
        molecule.modes,
        case.poses,
        case.amplitudes,
        optics=case.source.optics,
        formation=case.formation,
    )
    scaled = (found.state.amplitudes - case.amplitudes) / bound.diagonal(dim1=1, dim2=2).sqrt()[:, :3]
    reached = scaled.abs().amax(1) < 4.5
    assert int(reached.sum()) >= 30
    assert 0.8 < float(scaled[reached].std()) < 1.25
    assert int(found.converged.sum()) >= 29


def test_a_fit_never_ends_worse_than_it_began(molecule):
    case = molecule.make_case(16, snr=0.1, seed=21)
    projector, unit = molecule.make_projector(), molecule.scales.to_vector(3)
    start = case.truth.move(2 * unit * torch.randn(16, 8, generator=torch.Generator().manual_seed(2)))
    ends = [fit(case.observe(), projector, start, step_scale=unit, iterations=n).evaluation.cost for n in (0, 1, 4, 12)]
    assert all(bool((later <= earlier).all()) for earlier, later in itertools.pairwise(ends))
    assert float((ends[0] - ends[-1]).min()) > 0


def test_weak_images_converge_too(molecule):
    """Their true curvature along a weak direction is not the Gauss-Newton one: steps that overshoot are shortened."""
    case = molecule.make_case(48, snr=0.1, seed=22)
    unit = molecule.scales.to_vector(3)
    found = fit(case.observe(), molecule.make_projector(), case.truth, step_scale=unit, iterations=20)
    assert int(found.converged.sum()) >= 45
    further = fit(
        case.observe(), molecule.make_projector(), found.state, step_scale=unit, iterations=60, tolerance=1e-5
    )
    gain = (found.evaluation.cost - further.evaluation.cost)[found.converged]
    assert float(gain.median()) < 0.05


def test_too_few_steps_are_told(bright):
    unit = bright.molecule.scales.to_vector(3)
    start = bright.truth.move((3 * unit).expand(8, -1))
    found = fit(bright.observe(), bright.molecule.make_projector(), start, step_scale=unit, iterations=1)
    assert not bool(found.converged.any())


def test_one_image_does_not_feel_the_others(bright):
    unit = bright.molecule.scales.to_vector(3)
    start, projector = bright.truth.move(unit.expand(8, -1)), bright.molecule.make_projector()
    together = fit(bright.observe(), projector, start, step_scale=unit, iterations=10)
    rows = torch.tensor([5])
    alone = fit(bright.observe().select(rows), projector, start.select(rows), step_scale=unit, iterations=10)
    torch.testing.assert_close(alone.state.amplitudes, together.state.amplitudes[rows], atol=0.05, rtol=0)
    assert float(compute_geodesic_angle(alone.state.rotations, together.state.rotations[rows])) < 1e-3


def test_the_shift_found_brings_the_particle_back(molecule):
    """An image rolled by whole pixels gets a shift that is smaller by these: the particle lies at minus the shift."""
    case = molecule.make_case(8, snr=5.0, seed=23, with_ctf=False)
    rolled = type(case.source)(torch.roll(case.source.images, (2, -1), dims=(-2, -1)), None)
    moved = type(case)(molecule, case.poses, case.amplitudes, rolled, case.formation)
    unit = molecule.scales.to_vector(3)
    before, after = (
        fit(each.observe(), molecule.make_projector(), case.truth, step_scale=unit, iterations=20)
        for each in (case, moved)
    )
    wanted = before.state.shifts - torch.tensor([-1.0, 2.0]) * 1.8
    torch.testing.assert_close(after.state.shifts, wanted, atol=0.05, rtol=0)


def test_a_map_is_aligned_rigidly_by_slices(rigid_molecule):
    """The descent knows projectors by their contract only."""
    case = rigid_molecule.make_case(12, snr=1.0, seed=24)
    density: DensityMap = make_model_map(rigid_molecule.model, box_size=48, voxel_size=1.8)
    levels = [Level(SliceProjector(density, make_band(48, 1.8, resolution=r)), 1, 15) for r in (10.0, 0.0)]
    away = 0.1 * torch.randn(12, 3, generator=torch.Generator().manual_seed(3))
    start = type(case.truth)(
        rotation_from_vector(away) @ case.truth.rotations, case.truth.shifts + 1, case.truth.amplitudes
    )
    found = descend(case.observe(), levels, start, scales=rigid_molecule.scales)
    assert float(compute_geodesic_angle(found.state.rotations, case.truth.rotations).rad2deg().max()) < 1.5
    assert float((found.state.shifts - case.truth.shifts).abs().max()) < 0.3
