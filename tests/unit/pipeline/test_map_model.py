"""What the options of a map do, and the pseudoatoms that a stage writes."""

from dataclasses import replace
from pathlib import Path

import mrcfile
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import DensityMap
from deephemnma.io.density import write_map
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.progress import listen_to_announcements
from deephemnma.pipeline.reference import load_molecule
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.pseudoatom import PseudoatomOptions
from deephemnma.settings.stage.modes import ModesStage


@pytest.fixture
def density(generator: torch.Generator) -> DensityMap:
    """A blob of 60 wide Gaussians, as a map with voxels of 2 A."""
    positions = 7 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    ones = torch.ones(60, dtype=torch.float64)
    model = GaussianModel(positions, 1000 * ones, 4 * ones, torch.tensor([5.0, 6.0, 7.0], dtype=torch.float64))
    return make_model_map(model, box_size=32, voxel_size=2.0)


def load(path: Path, *, width: float | None = None, **options: object) -> GaussianModel:
    return load_molecule(path, MoleculeOptions(width=width, pseudoatoms=PseudoatomOptions(**options))).model


def test_a_mask_or_a_threshold_takes_less(tmp_path: Path, density: DensityMap) -> None:
    write_map(tmp_path / "map.mrc", density)
    half = torch.zeros_like(density.values)
    half[:16] = 1
    write_map(tmp_path / "mask.mrc", replace(density, values=half))
    whole = load(tmp_path / "map.mrc")
    assert load(tmp_path / "map.mrc", mask=tmp_path / "mask.mrc").weights.sum() < 0.7 * whole.weights.sum()
    high = 0.6 * float(density.values.max())
    assert load(tmp_path / "map.mrc", threshold=high).weights.sum() < 0.7 * whole.weights.sum()


def test_a_dark_map_and_its_voxel_size_may_be_stated(tmp_path: Path, density: DensityMap) -> None:
    write_map(tmp_path / "map.mrc", replace(density, origin=torch.zeros(3)))
    write_map(tmp_path / "dark.mrc", replace(density, values=-density.values, origin=torch.zeros(3)))
    with mrcfile.open(tmp_path / "dark.mrc", mode="r+") as mrc:
        mrc.voxel_size = 0
    with pytest.raises(InputError, match="--voxel-size"):
        load(tmp_path / "dark.mrc", invert=True)
    dark = load(tmp_path / "dark.mrc", invert=True, voxel_size=4.0)
    bright = load(tmp_path / "map.mrc")
    assert dark.radius == pytest.approx(2 * bright.radius, rel=0.1)
    assert dark.widths[0] == pytest.approx(2 * float(bright.widths[0]))


def test_low_pass_makes_them_fewer(tmp_path: Path, density: DensityMap, generator: torch.Generator) -> None:
    noise = 0.1 * density.values.max() * torch.randn(density.values.shape, generator=generator)
    write_map(tmp_path / "map.mrc", replace(density, values=density.values + noise))
    assert load(tmp_path / "map.mrc", low_pass=15.0).n_sites < load(tmp_path / "map.mrc").n_sites


def test_what_the_stage_writes_is_the_same_reference(tmp_path: Path, density: DensityMap) -> None:
    write_map(tmp_path / "map.mrc", density)
    settings = ModesStage(tmp_path / "map.mrc", molecule=MoleculeOptions(network=NetworkOptions(n_modes=8)))
    said: list[str] = []
    with listen_to_announcements(said.append):
        run_modes(settings, output=tmp_path / "modes")
    assert any("pseudoatoms of" in sentence and "stand for map.mrc" in sentence for sentence in said)
    written, made = load(tmp_path / "modes" / "sites.pdb"), load(tmp_path / "map.mrc")
    assert torch.allclose(written.positions + written.center, made.positions + made.center, atol=2e-3)
    assert torch.allclose(written.center, made.center, atol=1e-4)
    assert torch.allclose(written.weights, made.weights, atol=1e-4 * float(made.weights.max()))
    assert (load(tmp_path / "modes" / "sites.pdb", width=9.0).widths == 9.0).all()


def test_two_ways_to_say_where_the_molecule_is_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one of them"):
        PseudoatomOptions(threshold=1.0, mask=tmp_path / "mask.mrc")
