"""A reference with fewer sites: what it keeps, and how near its projections stay."""

import pytest
import torch

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import make_random_rotations
from deephemnma.imaging.band import make_band
from deephemnma.imaging.coarsening import coarsen_reference
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.io.structure import read_structure
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.site import select_sites

RESOLUTION = 10.0


def make_smooth_modes(positions: torch.Tensor) -> Modes:
    """Make a stretch, a bend and a twist: neighbours move alike, as along low-frequency modes."""
    x, y, z = positions.unbind(1)
    fields = (
        torch.stack((0 * x, 0 * y, z), 1),
        torch.stack((z * z, 0 * y, 0 * z), 1),
        torch.stack((-y * z, x * z, 0 * z), 1),
    )
    vectors = torch.stack([field / field.norm() for field in fields])
    return Modes(vectors, torch.ones(3, dtype=vectors.dtype), (7, 8, 9))


@pytest.fixture(scope="module")
def atoms(adenylate_kinase_path) -> tuple[GaussianModel, Modes]:
    model = make_gaussian_model(select_sites(read_structure(adenylate_kinase_path), "heavy"))
    return model, make_smooth_modes(model.positions)


@pytest.fixture(scope="module")
def beads(atoms) -> tuple[GaussianModel, Modes]:
    return coarsen_reference(*atoms, resolution=RESOLUTION)


def compute_moment(model: GaussianModel) -> torch.Tensor:
    """Return the weighted mean square distance from the centre, the widths counted in."""
    squares = model.positions.square().sum(1) + 3 * model.widths.square()
    return (model.weights * squares).sum() / model.weights.sum()


def test_there_are_far_fewer_beads_than_atoms(atoms, beads):
    assert 50 < beads[0].n_sites < 0.2 * atoms[0].n_sites
    assert beads[1].vectors.shape == (3, beads[0].n_sites, 3)
    assert beads[1].numbers == atoms[1].numbers


def test_weight_centre_and_extent_are_kept(atoms, beads):
    (model, _), (coarse, _) = atoms, beads
    torch.testing.assert_close(coarse.weights.sum(), model.weights.sum())
    center, kept = ((each.weights[:, None] * each.positions).sum(0) for each in (model, coarse))
    torch.testing.assert_close(kept / model.weights.sum(), center / model.weights.sum(), atol=1e-4, rtol=0)
    torch.testing.assert_close(compute_moment(coarse), compute_moment(model))


def test_a_bend_moves_the_centre_of_mass_of_both_alike(atoms, beads):
    means = [(model.weights[:, None] * modes.vectors).sum(1) / model.weights.sum() for model, modes in (atoms, beads)]
    assert float(means[0].norm(dim=1).max()) > 1e-3
    torch.testing.assert_close(means[1], means[0], atol=1e-6, rtol=1e-4)


def test_projections_at_the_resolution_are_nearly_the_same(atoms, beads):
    band = make_band(64, 1.3, resolution=RESOLUTION)
    rotations = make_random_rotations(8, generator=torch.Generator().manual_seed(0)).float()
    still, amplitudes = torch.zeros(8, 2), torch.zeros(8, 3)
    amplitudes[4:] = 3 * atoms[0].n_sites ** 0.5 / 3**0.5  # 3 A RMSD away from the reference
    full, coarse = (
        GaussianProjector(model, modes, band).project(rotations, still, amplitudes) for model, modes in (atoms, beads)
    )
    off = (coarse - full).norm(dim=1) / full.norm(dim=1)
    assert float(off.max()) < 0.06
    assert float(off.min()) > 1e-3  # the fewer beads are not the atoms


def test_amplitudes_keep_their_meaning(atoms, beads):
    band = make_band(64, 1.3, resolution=RESOLUTION)
    rotations = make_random_rotations(8, generator=torch.Generator().manual_seed(1)).float()
    full, coarse = (
        GaussianProjector(model, modes, band).linearize(rotations, torch.zeros(8, 2), torch.zeros(8, 3))[1][:, :3]
        for model, modes in (atoms, beads)
    )
    along = (full.conj() * coarse).real.sum(-1) / full.abs().square().sum(-1)
    torch.testing.assert_close(along, torch.ones_like(along), atol=0.06, rtol=0)


def test_a_reference_without_modes_is_coarsened_too(atoms, beads):
    model, modes = atoms
    rigid, still = coarsen_reference(model, modes.select(()), resolution=RESOLUTION)
    torch.testing.assert_close(rigid.positions, beads[0].positions)
    assert still.vectors.shape == (0, rigid.n_sites, 3)


@pytest.mark.parametrize("resolution", [2.0, 4.0])
def test_a_reference_stays_where_beads_would_save_little(atoms, resolution):
    model, modes = coarsen_reference(*atoms, resolution=resolution)
    assert model is atoms[0]
    assert modes is atoms[1]


@pytest.mark.parametrize("n_sites", [1, 2, 3])
def test_a_reference_of_few_sites_keeps_its_weight(n_sites):
    positions = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.2, 0.3], [40.0, 0.2, 0.3]])[:n_sites]
    model = GaussianModel(positions, torch.arange(1.0, n_sites + 1), torch.full((n_sites,), 2.0), torch.zeros(3))
    modes = Modes(torch.ones(1, n_sites, 3), torch.ones(1), (7,))
    coarse, along = coarsen_reference(model, modes, resolution=20.0)
    assert coarse.n_sites == (1 if n_sites == 2 else n_sites)  # two of three would be no bargain
    torch.testing.assert_close(coarse.weights.sum(), model.weights.sum())
    torch.testing.assert_close(along.vectors, torch.ones(1, coarse.n_sites, 3))
    assert bool((coarse.widths >= model.widths.min()).all())


def test_two_sites_become_one_at_their_centre():
    positions = torch.tensor([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]) + 1
    model = GaussianModel(positions, torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0]), torch.zeros(3))
    modes = Modes(torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]]), torch.ones(1), (7,))
    coarse, along = coarsen_reference(model, modes, resolution=20.0)
    torch.testing.assert_close(coarse.positions, torch.tensor([[2.0, 1.0, 1.0]]))
    torch.testing.assert_close(along.vectors, torch.tensor([[[0.75, 0.25, 0.0]]]))
    # mean of the squared widths, 7/4; mean square distance from the centre, 3, a third of it along each axis
    torch.testing.assert_close(coarse.widths.square(), torch.tensor([7 / 4 + 1.0]))
