"""The molecule of a stage: what its options do to a map."""

from pathlib import Path

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.io.density import write_map
from deephemnma.pipeline.reference import load_reference, read_or_compute_modes
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.stage.reference import NetworkOptions, ReferenceOptions


@pytest.fixture
def map_path(tmp_path: Path, generator: torch.Generator) -> Path:
    """A blob of 60 wide Gaussians, as a map with voxels of 2 A."""
    positions = 7 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    ones = torch.ones(60, dtype=torch.float64)
    model = GaussianModel(positions, 1000 * ones, 4 * ones, torch.zeros(3, dtype=torch.float64))
    write_map(tmp_path / "blob.mrc", make_model_map(model, box_size=32, voxel_size=2.0))
    return tmp_path / "blob.mrc"


def test_width_and_error_of_pseudoatoms_are_those_asked_for(map_path: Path) -> None:
    options = NetworkOptions(width=3.0, target_error=0.2, n_modes=7)
    reference = read_or_compute_modes(map_path, options)
    assert (reference.model.widths == 3.0).all()
    finer = read_or_compute_modes(map_path, NetworkOptions(width=3.0, target_error=0.05, n_modes=7))
    assert finer.model.n_sites > reference.model.n_sites


def test_modes_that_would_not_be_computed_are_told_before_any_is(tmp_path: Path) -> None:
    """The file is not even opened."""
    options = ReferenceOptions(tmp_path / "absent.pdb", modes="7-30")
    with pytest.raises(InputError, match="--n-modes 30"):
        load_reference(options)
