"""The benchmark's truth where no amplitudes are true: the nearest conformation, and a path that stays a molecule."""

from pathlib import Path

import pytest
import torch

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import compute_geodesic_angle, rotation_from_vector
from deephemnma.io.structure import read_models
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.pipeline.conformation import superimpose_frames
from deephemnma.pipeline.reference import load_reference

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the benchmarks' modules importable, as they are for one another."""
    monkeypatch.syspath_prepend(BENCHMARKS)


def make_case() -> tuple[GaussianModel, Modes]:
    positions = 6 * torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = GaussianModel(positions - positions.mean(0), torch.ones(40), torch.ones(40), torch.zeros(3))
    return model, compute_modes(model.positions, cutoff=20.0, n_modes=9).select([7, 8, 9])


@pytest.mark.usefixtures("benchmarks")
def test_the_nearest_conformation_of_one_that_is_reached_is_itself() -> None:
    from rigid_fit import find_nearest

    model, modes = make_case()
    amplitudes = torch.tensor([[4.0, -3.0, 2.0], [0.0, 5.0, -6.0]], dtype=torch.float64)
    turns = rotation_from_vector(torch.tensor([[0.1, 0.2, -0.1], [0.0, -0.3, 0.2]], dtype=torch.float64))
    moves = torch.tensor([[1.0, 2.0, -3.0], [0.0, 0.5, 0.0]], dtype=torch.float64)
    targets = torch.einsum("ixy,isy->isx", turns, modes.displace(model.positions, amplitudes)) + moves[:, None]
    nearest = find_nearest(model, modes, targets)
    assert nearest.rmsd.max() < 1e-6
    assert torch.allclose(nearest.amplitudes, amplitudes, atol=1e-5)
    assert compute_geodesic_angle(nearest.rotations, turns).max() < 1e-5
    assert torch.allclose(nearest.moves, moves, atol=1e-5)


@pytest.mark.shared_data
@pytest.mark.usefixtures("benchmarks")
def test_the_path_between_the_crystals_is_near_the_modes_all_along(shared_data: Path, tmp_path: Path) -> None:
    from image_set import Options, make_image_set
    from rigid_fit import find_nearest

    images = make_image_set(6, Options(images=5, box_size=None, seed=0, data=shared_data, work=tmp_path))
    reference = load_reference(images.simulation.reference)
    frames = torch.stack([frame.positions for frame in read_models(images.simulation.conformation.models)])
    placed = superimpose_frames(frames, model=reference.model, modes=reference.modes).positions
    moved = (placed[-1] - placed[0]).square().sum(-1).mean().sqrt()
    assert float(moved) == pytest.approx(7.1, abs=0.3)  # as published of 1AKE and 4AKE
    rmsd = find_nearest(reference.model, reference.modes, placed).rmsd
    # In step with the way, as far as the modes cannot follow: no frame is squashed.
    assert torch.allclose(rmsd, torch.linspace(0, float(rmsd[-1]), 5, dtype=torch.float64), atol=0.1)
    assert rmsd[-1] < 3
