import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.io.structure import read_structure
from deephemnma.modes import eigen
from deephemnma.modes.blocks import make_residue_blocks
from deephemnma.modes.elastic_network import compute_distances, find_pairs
from deephemnma.modes.hessian import compute_hessian
from deephemnma.modes.hinsen import Hinsen
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reference.site import select_sites


def make_hessian(positions: torch.Tensor, cutoff: float) -> torch.Tensor:
    sites = positions.numpy()
    pairs = find_pairs(sites, cutoff=cutoff)
    hessian = compute_hessian(sites, pairs, stiffness=np.full_like(compute_distances(sites, pairs), 10.0))
    return torch.from_numpy(hessian.toarray())


def test_six_rigid_modes_are_exact(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud)
    assert modes.numbers == tuple(range(1, 21))
    assert (modes.eigenvalues[:6] == 0).all()
    assert (modes.eigenvalues[6:] > 1e-3).all()
    forces = make_hessian(cloud, 8.0) @ modes.vectors[:6].flatten(1).T
    assert forces.abs().max() < 1e-12


def test_modes_are_the_lowest_eigenvectors(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud, n_modes=30, cutoff=9.0)
    hessian = make_hessian(cloud, 9.0)
    expected = torch.linalg.eigvalsh(hessian)[:30]
    assert torch.allclose(modes.eigenvalues, expected, atol=1e-9 * float(hessian.abs().max()))
    vectors = modes.vectors.flatten(1)
    assert torch.allclose(hessian @ vectors.T, vectors.T * modes.eigenvalues, atol=1e-9)


def test_modes_are_orthonormal(cloud: torch.Tensor) -> None:
    vectors = compute_modes(cloud, n_modes=180).vectors.flatten(1)
    assert torch.allclose(vectors @ vectors.T, torch.eye(180, dtype=torch.float64), atol=1e-10)


def test_amplitude_over_root_n_is_the_rmsd(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud)
    amplitudes = torch.tensor([[-7.0], [0.5]], dtype=torch.float64)
    moved = modes.select([9]).displace(cloud, amplitudes)
    rmsd = (moved - cloud).square().sum(dim=-1).mean(dim=-1).sqrt()
    assert torch.allclose(rmsd, amplitudes[:, 0].abs() / 60**0.5)


@pytest.mark.parametrize("dense_below", [0, 10_000])
def test_same_input_same_digits_and_both_solvers_agree(
    cloud: torch.Tensor, monkeypatch: pytest.MonkeyPatch, dense_below: int
) -> None:
    reference = compute_modes(cloud)
    monkeypatch.setattr(eigen, "DENSE_BELOW", dense_below)
    first, second = compute_modes(cloud), compute_modes(cloud)
    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(first.eigenvalues, second.eigenvalues)
    assert torch.allclose(first.vectors, reference.vectors, atol=1e-7)


def test_greatest_component_is_positive(cloud: torch.Tensor) -> None:
    vectors = compute_modes(cloud).vectors.flatten(1)
    assert (vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_force_field_and_cutoffs_are_heeded(cloud: torch.Tensor) -> None:
    default = compute_modes(cloud).eigenvalues[6:]
    assert (compute_modes(cloud, cutoff=10.0).eigenvalues[6:] > default).all()
    assert not torch.allclose(compute_modes(cloud, force_field=InverseSquare()).eigenvalues[6:], default)
    assert torch.isfinite(compute_modes(cloud, relative_cutoff=100.0, n_modes=6).vectors).all()


def test_few_modes_are_the_rigid_ones(cloud: torch.Tensor) -> None:
    assert compute_modes(cloud, n_modes=4).vectors.shape == (4, 60, 3)


@pytest.mark.parametrize("dense_below", [0, 10_000])
def test_blocks_of_one_site_change_nothing(
    cloud: torch.Tensor, monkeypatch: pytest.MonkeyPatch, dense_below: int
) -> None:
    monkeypatch.setattr(eigen, "DENSE_BELOW", dense_below)
    expected = compute_modes(cloud)
    found = compute_modes(cloud, blocks=np.arange(60))
    assert torch.allclose(found.eigenvalues, expected.eigenvalues, atol=1e-9)
    assert torch.allclose(found.vectors, expected.vectors, atol=1e-7)


def test_blocks_move_as_rigid_bodies_and_are_stiffer(cloud: torch.Tensor) -> None:
    """The modes lie in a subspace, so no eigenvalue can fall (Cauchy's interlacing)."""
    blocks = np.arange(60) // 6
    free, bound = compute_modes(cloud), compute_modes(cloud, blocks=blocks)
    assert (bound.eigenvalues[6:] > free.eigenvalues[6:]).all()
    inside = np.argwhere(np.triu(blocks[:, None] == blocks[None], k=1))
    links = cloud[inside[:, 1]] - cloud[inside[:, 0]]
    for vector in bound.vectors:
        stretch = ((vector[inside[:, 1]] - vector[inside[:, 0]]) * links).sum(dim=-1)
        assert stretch.abs().max() < 1e-9


def test_a_hinge_is_refused_by_name() -> None:
    """Two bodies that share two sites swing about them, though every site has three neighbours or more."""
    body = torch.tensor([[3.0, 1, 0], [3, -1, 0], [3, 0, 1.5]], dtype=torch.float64)
    axis = torch.tensor([[0.0, 0, -1.2], [0, 0, 1.2]], dtype=torch.float64)
    positions = torch.cat((axis, body, body * torch.tensor([-1.0, 1, 1], dtype=torch.float64)))
    with pytest.raises(InputError, match=r"cost no energy.*site [3-8].*--cutoff"):
        compute_modes(positions, cutoff=4.5, n_modes=10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cutoff": 8.0, "relative_cutoff": 95.0}, "not both"),
        ({"cutoff": -1.0}, "--cutoff"),
        ({"cutoff": float("nan")}, "--cutoff"),
        ({"n_modes": 0}, "--n-modes"),
        ({"n_modes": 181}, "between 7 and 180"),
        ({"cutoff": 0.5}, "falls into"),
    ],
)
def test_options_out_of_range_are_refused(cloud: torch.Tensor, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        compute_modes(cloud, **options)


def test_the_iterative_solver_refuses_a_hinge_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wedges that touch along a line."""
    monkeypatch.setattr(eigen, "DENSE_BELOW", 0)
    side = 3.0 * np.stack(np.meshgrid(*[np.arange(7.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    body = side[(side[:, 0] > 0) & (np.abs(side[:, 1] - 9) <= side[:, 0])]
    body = body[(body[:, 0] > 3) | (body[:, 1] == 9)]
    axis = np.array([[0.0, 9.0, 3.0 * z] for z in range(7)])
    positions = torch.from_numpy(np.concatenate((axis, body, body * np.array([-1.0, 1.0, 1.0]))))
    with pytest.raises(InputError, match=r"cost no energy"):
        compute_modes(positions, cutoff=5.5, n_modes=12)


def test_many_sites_have_the_modes_of_the_dense_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    positions = 40 * torch.rand(600, 3, generator=generator, dtype=torch.float64)
    found = compute_modes(positions, cutoff=12.0)
    monkeypatch.setattr(eigen, "DENSE_BELOW", 10_000)
    expected = compute_modes(positions, cutoff=12.0)
    assert torch.allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-9)
    assert torch.allclose(found.vectors, expected.vectors, atol=1e-5)


def test_blocks_joined_by_stiff_bonds_converge(adenylate_kinase_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 30 iterations, by longer relaxations; steps of one need 90, and larger chains of them never end."""
    beads = select_sites(read_structure(adenylate_kinase_path), "ca")
    blocks = make_residue_blocks(beads, block_residues=2)
    dense = compute_modes(beads.positions, force_field=Hinsen(), blocks=blocks, n_modes=12)
    monkeypatch.setattr(eigen, "DENSE_BELOW", 0)
    monkeypatch.setattr(eigen, "MAX_ITERATIONS", 45)
    found = compute_modes(beads.positions, force_field=Hinsen(), blocks=blocks, n_modes=12)
    assert torch.allclose(found.eigenvalues, dense.eigenvalues, rtol=1e-9)


def test_sites_on_a_line_are_refused() -> None:
    line = torch.arange(5, dtype=torch.float64)[:, None] * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    with pytest.raises(InputError, match="not on one line"):
        compute_modes(line)
