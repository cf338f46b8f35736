"""Modes from elsewhere than an elastic network go all the way: found, stored, simulated, estimated."""

from dataclasses import replace
from pathlib import Path

import chemfiles
import numpy as np
import pandas as pd
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import Basis, Modes
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.io.structure import read_structure
from deephemnma.io.structure_writer import write_models
from deephemnma.io.table import read_estimates
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.pipeline.estimate import run_estimate
from deephemnma.pipeline.manifest import read_manifest
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.reference import read_or_compute_modes
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.reference.site import select_sites
from deephemnma.settings.animation import AnimationOptions
from deephemnma.settings.basis import BasisOptions
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.estimate import EstimateStage
from deephemnma.settings.stage.modes import ModesStage
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.stage.simulate import ConformationOptions, ImageOptions, SimulateStage
from deephemnma.settings.structure import StructureOptions

BEADS = MoleculeOptions(structure=StructureOptions(sites="ca"), width=2.5)
MOVIES = AnimationOptions(animation_frames=3)
N_FRAMES = 30


@pytest.fixture(scope="module")
def truth(adenylate_kinase_path: Path) -> Modes:
    """Normal modes 7 and 8 of the beads, along which the ensemble differs."""
    sites = select_sites(read_structure(adenylate_kinase_path), "ca")
    return compute_modes(sites.positions, n_modes=8, cutoff=10.0).select([7, 8])


@pytest.fixture(scope="module")
def beads(adenylate_kinase_path: Path) -> torch.Tensor:
    return select_sites(read_structure(adenylate_kinase_path), "ca").positions


@pytest.fixture(scope="module")
def frames(truth: Modes, beads: torch.Tensor) -> torch.Tensor:
    """Conformations of the beads, each in a pose of its own."""
    generator = torch.Generator().manual_seed(0)
    amplitudes = torch.randn(N_FRAMES, 2, generator=generator, dtype=torch.float64) * torch.tensor([40.0, 20.0])
    angles = 6.28 * torch.rand(N_FRAMES, 3, generator=generator, dtype=torch.float64)
    return truth.displace(beads, amplitudes) @ euler_to_rotation(angles).mT + 5.0


@pytest.fixture(scope="module")
def models(frames: torch.Tensor, adenylate_kinase_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ensemble") / "models.pdb"
    write_models(path, select_sites(read_structure(adenylate_kinase_path), "ca"), frames)
    return path


@pytest.fixture(scope="module")
def components(models: Path, adenylate_kinase_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = ModesStage(adenylate_kinase_path, BEADS, basis=BasisOptions(ensemble=(models,)), animation=MOVIES)
    return run_modes(stage, output=tmp_path_factory.mktemp("components") / "out")


def write_trajectory(path: Path, frames: np.ndarray) -> Path:
    with chemfiles.Trajectory(str(path), "w") as written:
        for positions in frames:
            frame = chemfiles.Frame()
            for position in positions:
                frame.add_atom(chemfiles.Atom("C"), position)
            written.write(frame)
    return path


def read_modes(folder: Path) -> Modes:
    return read_or_compute_modes(folder, MoleculeOptions()).modes


def test_components_of_models_span_what_the_models_do(components: Path, truth: Modes) -> None:
    modes = read_modes(components)
    assert modes.basis == Basis.PRINCIPAL_COMPONENTS
    assert modes.numbers[:2] == (1, 2)
    overlaps = modes.vectors[:2].flatten(1) @ truth.vectors.flatten(1).T
    assert float(torch.linalg.svdvals(overlaps).min()) > 0.99
    assert (components / "mode_01.pdb").exists()


def test_the_amplitudes_of_the_ensemble_are_told(components: Path) -> None:
    table = pd.read_csv(components / "modes.csv")
    frames = pd.read_csv(components / "frames.csv")
    assert len(frames) == N_FRAMES
    assert frames["frame"][2] == "models.pdb model 3"
    assert table["cumulative_share"][1] > 0.99
    assert table["amplitude_highest_angstrom"][0] == pytest.approx(frames["q1"].max())
    assert table["amplitude_sd_angstrom"][1] == pytest.approx(frames["q2"].std(ddof=0))
    root_mean_square = (frames["q1"] ** 2).mean() ** 0.5
    assert table["eigenvalue"][0] == pytest.approx(root_mean_square**2)
    assert "principal components about the reference" in read_manifest(components).summary["modes"]


def test_a_trajectory_of_all_atoms_gives_the_components_of_the_sites(
    components: Path, frames: torch.Tensor, adenylate_kinase_path: Path, tmp_path: Path
) -> None:
    """Atoms that are no sites lie anywhere; an XTC keeps hundredths of an A."""
    whole = read_structure(adenylate_kinase_path)
    atoms = np.random.default_rng(0).standard_normal((N_FRAMES, len(whole.elements), 3))
    atoms[:, np.flatnonzero(whole.atom_names == "CA")] = frames.numpy()
    path = write_trajectory(tmp_path / "path.xtc", atoms)
    stage = ModesStage(adenylate_kinase_path, BEADS, basis=BasisOptions(ensemble=(path,)), animation=MOVIES)
    found = read_modes(run_modes(stage, output=tmp_path / "out")).select([1, 2])
    expected = read_modes(components).select([1, 2])
    torch.testing.assert_close(found.vectors, expected.vectors, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.eigenvalues, expected.eigenvalues, rtol=1e-3, atol=0)


def test_images_of_components_are_simulated_and_estimated(components: Path, tmp_path: Path) -> None:
    reference = ReferenceOptions(components, modes="1-2")
    images = run_simulate(
        SimulateStage(
            reference,
            count=8,
            conformation=ConformationOptions(distribution="normal", amplitude_scale=30.0),
            image=ImageOptions(box_size=32, pixel_size=2.6, snr=1.0),
        ),
        output=tmp_path / "set",
    )
    search = EstimateSettings(amplitude_range=4.0)
    folder = run_estimate(EstimateStage(images, reference, search=search, workers=1), output=tmp_path / "estimates")
    found, truth = read_estimates(folder / "estimates.parquet"), read_estimates(images / "truth.parquet")
    assert found.mode_numbers == truth.mode_numbers == (1, 2)
    error = (found.amplitudes - truth.amplitudes).abs().median()
    assert error < 0.2 * truth.amplitudes.square().mean().sqrt()


def test_vectors_of_a_file_become_the_modes(truth: Modes, adenylate_kinase_path: Path, tmp_path: Path) -> None:
    for number, vector in zip(truth.numbers, truth.vectors, strict=True):
        np.savetxt(tmp_path / f"vec.{number}", 3 * vector.numpy())
    stage = ModesStage(adenylate_kinase_path, BEADS, basis=BasisOptions(vectors=tmp_path), animation=MOVIES)
    modes = read_modes(run_modes(stage, output=tmp_path / "out"))
    assert (modes.basis, modes.numbers) == (Basis.IMPORTED, (7, 8))
    torch.testing.assert_close(modes.vectors, truth.vectors, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (lambda atoms: atoms.take(atoms.residue_numbers != 30), "lacks 1 of the 214 sites .* first is A/SER 30"),
        (lambda atoms: replace(atoms, residue_numbers=atoms.residue_numbers + 500), "0 sites in common"),
    ],
)
def test_models_of_other_sites_are_refused(atoms, message: str, adenylate_kinase_path: Path, tmp_path: Path) -> None:
    other = atoms(read_structure(adenylate_kinase_path))
    write_models(tmp_path / "other.pdb", other, other.positions[None])
    basis = BasisOptions(ensemble=(tmp_path / "other.pdb",))
    with pytest.raises(InputError, match=message):
        run_modes(ModesStage(adenylate_kinase_path, BEADS, basis=basis), output=tmp_path / "out")


def test_a_trajectory_of_other_atoms_is_refused(adenylate_kinase_path: Path, tmp_path: Path) -> None:
    path = write_trajectory(tmp_path / "path.xtc", np.ones((2, 7, 3)))
    basis = BasisOptions(ensemble=(path,))
    with pytest.raises(InputError, match=r"path\.xtc has 7 atoms a frame, but .* 1,656 atoms and 214 sites"):
        run_modes(ModesStage(adenylate_kinase_path, BEADS, basis=basis), output=tmp_path / "out")


def test_options_without_effect_are_refused(
    components: Path, models: Path, adenylate_kinase_path: Path, tmp_path: Path
) -> None:
    basis = BasisOptions(ensemble=(models,))
    springs = replace(BEADS, network=NetworkOptions(cutoff=10.0))
    with pytest.raises(InputError, match="With --ensemble there is no elastic network"):
        run_modes(ModesStage(adenylate_kinase_path, springs, basis=basis), output=tmp_path / "a")
    with pytest.raises(InputError, match="holds modes already"):
        run_modes(ModesStage(components, basis=basis), output=tmp_path / "b")
    with pytest.raises(InputError, match="not both"):
        BasisOptions(ensemble=(models,), vectors=models)
    with pytest.raises(InputError, match="name one or more"):
        BasisOptions(ensemble=())
