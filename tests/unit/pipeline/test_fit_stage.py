"""The stage `fit`: its files, and what it says of mistakes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import DensityMap
from deephemnma.io.density import read_map, write_map
from deephemnma.io.motion import FittedMotion, read_motion, write_motion
from deephemnma.io.reference import write_reference
from deephemnma.io.structure import read_structure
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.pipeline.fit import TEXT, run_fit
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.animation import AnimationOptions
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.fit import FitSettings
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.fit import FitStage
from deephemnma.settings.stage.modes import ModesStage
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions

TRUTH = (40.0, -20.0, 10.0)
COARSE = FitSettings(resolution=9.0)


@pytest.fixture(scope="module")
def options(adenylate_kinase_path: Path) -> ReferenceOptions:
    molecule = MoleculeOptions(
        structure=StructureOptions(sites="ca"), network=NetworkOptions(cutoff=10.0, n_modes=10), width=2.5
    )
    return ReferenceOptions(adenylate_kinase_path, modes="7-9", molecule=molecule)


@pytest.fixture(scope="module")
def reference(options: ReferenceOptions) -> Reference:
    return load_reference(options)


@pytest.fixture(scope="module")
def target(reference: Reference, tmp_path_factory) -> Path:
    """The map of a known conformation, where the file has the molecule."""
    moved = reference.modes.displace(reference.model.positions, torch.tensor([TRUTH], dtype=torch.float64))[0]
    density = make_model_map(reference.model, box_size=36, voxel_size=3.0, positions=moved)
    path = tmp_path_factory.mktemp("maps") / "target.mrc"
    write_map(path, density)
    return path


@pytest.fixture(scope="module")
def fitted(options: ReferenceOptions, target: Path, tmp_path_factory) -> Path:
    return run_fit(FitStage(options, target, fit=COARSE), output=tmp_path_factory.mktemp("fit") / "fitted")


def test_every_file_tells_the_same_motion(fitted: Path, reference: Reference) -> None:
    record = json.loads((fitted / "fit.json").read_text())
    table, motion = pd.read_csv(fitted / "fit.csv"), read_motion(fitted)
    assert record["status"] == "converged"
    assert table["mode"].tolist() == [7, 8, 9] == list(motion.numbers)
    assert np.allclose(table["amplitude_angstrom"], TRUTH, atol=0.5)
    assert np.allclose(motion.amplitudes, table["amplitude_angstrom"])
    assert table["share"].sum() == pytest.approx(1)
    sites = reference.model.positions + reference.model.center
    assert torch.allclose(motion.positions, sites)
    expected = torch.einsum("m,msx->sx", motion.amplitudes, reference.modes.vectors)
    assert torch.allclose(motion.displacements, expected, atol=1e-6)
    moved = read_structure(fitted / "fitted.pdb").positions - sites
    assert (moved - motion.displacements).norm(dim=-1).max() < 0.15  # nothing turned or shifted
    agreement = record["agreement"]
    assert agreement["flexible"]["correlation"] > 0.999 > agreement["rigid"]["correlation"]
    assert record["rmsd_angstrom"]["by modes"] == pytest.approx(np.linalg.norm(TRUTH) / len(sites) ** 0.5, rel=0.02)
    assert (fitted / "fit.png").stat().st_size > 10_000
    assert "amplitude" in (fitted / TEXT).read_text()
    assert pd.read_csv(fitted / "fsc.csv")["flexible"].iloc[0] > 0.99


def test_modes_are_chosen_by_the_motion_found(fitted: Path, options: ReferenceOptions, tmp_path: Path) -> None:
    stage = ModesStage(
        options.reference,
        molecule=options.molecule,
        choice=ChoiceOptions(fit=fitted),
        animation=AnimationOptions(animation_frames=3),
    )
    table = pd.read_csv(run_modes(stage, output=tmp_path / "modes") / "modes.csv")
    overlaps = table.set_index("number")["overlap"].abs()
    assert overlaps[7] > overlaps[8] > overlaps[9] > 0
    assert np.isnan(overlaps[10])  # the fit did not move it


def test_search_finds_a_molecule_that_lies_elsewhere(options, target: Path, reference, tmp_path: Path) -> None:
    density = make_model_map(reference.model, box_size=36, voxel_size=3.0)
    values = density.values.transpose(0, 1).flip(2)  # a quarter turn: two mirrors in one
    path = tmp_path / "turned.mrc"
    write_map(path, DensityMap(values, 3.0, density.origin + 200.0, "turned"))
    with pytest.raises(InputError, match="--search"):
        run_fit(FitStage(options, path, fit=COARSE), output=tmp_path / "lost")
    search = FitSettings(resolution=9.0, search=True)
    record = json.loads(
        (run_fit(FitStage(options, path, fit=search), output=tmp_path / "found") / "fit.json").read_text()
    )
    assert record["status"] == "converged"
    assert record["agreement"]["flexible"]["correlation"] > 0.99
    assert np.linalg.norm(record["shift_angstrom"]) > 200
    assert "docking" in json.loads((tmp_path / "found" / "manifest.json").read_text())["summary"]["of these"]


def test_search_tells_that_a_symmetric_molecule_fits_twice(reference: Reference, tmp_path: Path) -> None:
    half = reference.model.positions + torch.tensor([15.0, 0.0, 0.0])
    positions = torch.cat((half, half * torch.tensor([-1.0, -1.0, 1.0])))
    one = reference.model
    dimer = GaussianModel(positions, one.weights.repeat(2), one.widths.repeat(2), torch.zeros_like(one.center))
    write_reference(tmp_path / "modes.npz", dimer, compute_modes(positions, n_modes=7, cutoff=15.0))
    write_map(tmp_path / "map.mrc", make_model_map(dimer, box_size=40, voxel_size=3.5))
    stage = FitStage(
        ReferenceOptions(tmp_path / "modes.npz", modes="7"),
        tmp_path / "map.mrc",
        fit=FitSettings(resolution=14.0, search=True),
    )
    assert json.loads((run_fit(stage, output=tmp_path / "fit") / "fit.json").read_text())["status"] == "ambiguous"


def test_mistakes_say_what_to_do(options: ReferenceOptions, target: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two voxels"):
        run_fit(FitStage(options, target, fit=FitSettings(resolution=2.0)), output=tmp_path / "fine")
    search = FitSettings(resolution=2.0, search=True)
    with pytest.raises(InputError, match="two voxels"):
        run_fit(FitStage(ReferenceOptions(target), target, fit=search), output=tmp_path / "early")  # nothing read yet
    mask = tmp_path / "mask.mrc"
    write_map(mask, DensityMap(torch.ones(8, 8, 8), 3.0, torch.zeros(3, dtype=torch.float64), "mask"))
    with pytest.raises(InputError, match="box of the map"):
        run_fit(FitStage(options, target, map_mask=mask, fit=COARSE), output=tmp_path / "masked")
    empty = tmp_path / "empty.mrc"
    write_map(empty, DensityMap(torch.zeros(36, 36, 36), 3.0, read_map(target).origin, "empty"))
    with pytest.raises(InputError, match="empty"):
        run_fit(FitStage(options, empty, fit=COARSE), output=tmp_path / "none")
    with pytest.raises(InputError, match="--stiffness"):
        FitSettings(stiffness=-1.0)


def test_motion_is_read_as_written(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    arrays = (torch.randn(size, generator=generator, dtype=torch.float64) for size in ((2,), (2,), (5, 3), (5, 3)))
    motion = FittedMotion((7, 9), *arrays)
    write_motion(tmp_path / "motion.npz", motion)
    found = read_motion(tmp_path)
    assert found.numbers == motion.numbers
    assert torch.equal(found.displacements, motion.displacements)
    np.savez(tmp_path / "other.npz", numbers=np.array([7]))
    with pytest.raises(InputError, match="amplitudes"):
        read_motion(tmp_path / "other.npz")
    with pytest.raises(InputError, match=r"motion\.npz"):
        read_motion(tmp_path / "nowhere")
