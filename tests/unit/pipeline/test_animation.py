import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.landscape import Landscape
from deephemnma.io.density import write_map
from deephemnma.io.structure import read_models
from deephemnma.io.trajectory import count_frames, read_frames
from deephemnma.landscape.path import make_path
from deephemnma.modes.bond import find_links
from deephemnma.modes.elastic_network import compute_distances
from deephemnma.pipeline import animation
from deephemnma.pipeline.animation import check_movie, find_view, write_mode_movies, write_movie
from deephemnma.pipeline.deformation import displace_reference
from deephemnma.pipeline.fit import run_fit
from deephemnma.pipeline.progress import listen_to_announcements
from deephemnma.pipeline.reference import Molecule, Reference, read_or_compute_modes
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.animation import AnimationOptions, DeformationOptions, MovieOptions
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.animate import AnimateStage
from deephemnma.settings.stage.fit import FitStage
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions

BLOCKS = DeformationOptions("blocks")


@pytest.fixture(scope="module")
def reference(adenylate_kinase_path: Path) -> Reference:
    """The CA of adenylate kinase and their modes 1-9."""
    options = MoleculeOptions(structure=StructureOptions(sites="ca"), network=NetworkOptions(n_modes=9))
    return read_or_compute_modes(adenylate_kinase_path, options)


def list_opened(script: Path) -> list[str]:
    lines = [line.split() for line in script.read_text().splitlines()]
    return [line[1] for line in lines if line[0] == "open"]


def test_all_formats_hold_the_same_models(tmp_path, reference):
    pytest.importorskip("chemfiles")
    amplitudes = torch.linspace(-30, 30, 5, dtype=torch.float64)[:, None]
    modes = reference.modes.select([7])
    frames = displace_reference(reference, amplitudes, modes=modes, options=DeformationOptions())
    assert torch.equal(frames, modes.displace(reference.model.positions, amplitudes))
    files = write_movie(reference, frames, file=tmp_path / "a", options=MovieOptions("dcd,pdb, cif"))
    assert [file.name for file in files] == ["a.dcd", "a.pdb", "a.cif", "a.cxc"]
    placed = (frames + reference.model.center).numpy()
    for file in files[1:3]:
        assert np.allclose([model.positions for model in read_models(file)], placed, rtol=0, atol=0.00051)
    assert count_frames(files[0]) == (5, 214)
    assert np.allclose(torch.cat(list(read_frames(files[0]))), placed, rtol=0, atol=1e-5)
    # What the script opens is there, and the structure of the trajectory is the molecule at rest.
    assert list_opened(files[3]) == ["topology.pdb", "a.dcd", "a.defattr"]
    assert all((tmp_path / name).is_file() for name in list_opened(files[3]))
    rest = read_models(tmp_path / "topology.pdb")[0]
    assert torch.allclose(rest.positions, reference.sites.positions, rtol=0, atol=0.00051)


def test_modes_go_there_and_back_by_the_rmsd_asked_for(tmp_path, reference):
    options = AnimationOptions(animation_rmsd=2.0, animation_frames=5, movie=MovieOptions(deformation=BLOCKS))
    write_mode_movies(reference, options, folder=tmp_path)
    names = {f"mode_{number:02d}.{end}" for number in (7, 8, 9) for end in ("pdb", "cxc", "defattr")}
    assert {path.name for path in tmp_path.iterdir()} == names
    models = read_models(tmp_path / "mode_08.pdb")
    rest = reference.sites.positions
    rmsds = [(model.positions - rest).square().sum(dim=1).mean().sqrt() for model in models]
    assert torch.tensor(rmsds) == pytest.approx([2, 1, 0, 1, 2], abs=0.1)  # an arc is longer than its chord
    links = find_links(reference.sites)
    lengths = [compute_distances(model.positions.numpy(), links) for model in models]
    assert np.ptp(lengths, axis=0).max() < 0.003  # the digits of the file


def test_modes_to_show_can_be_named_or_left_out(tmp_path, reference, monkeypatch):
    quick = AnimationOptions(animation_frames=3)
    write_mode_movies(reference, replace(quick, animation_modes="9"), folder=tmp_path / "named")
    write_mode_movies(reference, replace(quick, animation_modes=""), folder=tmp_path / "none")
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["mode_09.cxc", "mode_09.defattr", "mode_09.pdb"]
    with pytest.raises(InputError, match="Mode 12 was asked for"):
        write_mode_movies(reference, replace(quick, animation_modes="12"), folder=tmp_path)
    # What would fill the disk is cut to the softest, and said.
    monkeypatch.setattr(animation, "MOST_BYTES", 2.5 * 214 * 3 * 81)
    told = []
    with listen_to_announcements(told.append):
        write_mode_movies(reference, quick, folder=tmp_path / "cut")
    assert sorted(path.name for path in (tmp_path / "cut").glob("*.pdb")) == ["mode_07.pdb", "mode_08.pdb"]
    assert "2 of 3 modes" in told[0]


def test_pseudoatoms_move_on_straight_lines_only(tmp_path, reference):
    pseudoatoms = Reference(Molecule(reference.model, None), reference.modes.select([7, 8]))
    with pytest.raises(InputError, match="consists of pseudoatoms"):
        check_movie(MovieOptions(deformation=BLOCKS), path=Path("there_is_no_such.mrc"))
    with pytest.raises(InputError, match="consists of pseudoatoms"):
        write_mode_movies(pseudoatoms, AnimationOptions(movie=MovieOptions(deformation=BLOCKS)), folder=tmp_path)
    options = AnimationOptions(animation_frames=3, movie=MovieOptions())
    write_mode_movies(pseudoatoms, options, folder=tmp_path)
    assert "style #1 sphere" in (tmp_path / "mode_07.cxc").read_text()
    assert (tmp_path / "mode_07.defattr").read_text().count("\t/A:") == 214


def test_a_missing_library_is_told_before_anything_is_computed(monkeypatch):
    monkeypatch.setitem(sys.modules, "chemfiles", None)
    with pytest.raises(InputError, match=r"pip install 'deephemnma\[trajectory\]'"):
        check_movie(MovieOptions("dcd"), path=Path("a.pdb"))
    check_movie(MovieOptions("pdb,cif"), path=Path("modes"))


def test_formats_are_checked():
    for text, message in (("pdb,xyz", "must be one of pdb, cif, dcd"), ("pdb,pdb", "once")):
        with pytest.raises(InputError, match=message):
            MovieOptions(text)


def test_the_view_shows_the_motion(reference):
    rest = reference.model.positions.numpy()
    # Moving along one direction most and along another least.
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    motion = np.random.default_rng(1).normal(size=rest.shape) * [3.0, 2.0, 0.1] @ axes.T
    view = find_view(np.stack((rest - motion, rest + motion)))
    assert np.allclose(view.axes @ view.axes.T, np.eye(3))
    assert np.linalg.det(view.axes) == pytest.approx(1)
    assert abs(view.axes[2] @ axes[:, 2]) > 0.99
    across, up = (rest - rest.mean(axis=0)) @ view.axes[:2].T @ np.eye(2)[:, 0], (rest @ view.axes[1])
    assert across.std() > up.std()


@pytest.mark.slow
def test_a_fit_is_written_with_its_bonds_kept(tmp_path, reference, adenylate_kinase_path):
    # A map of the reference moved along mode 7, in its own frame.
    moved = reference.modes.select([7]).displace(reference.model.positions, torch.tensor([[40.0]]).double())[0]
    write_map(tmp_path / "map.mrc", make_model_map(reference.model, positions=moved, box_size=32, voxel_size=3.0))
    options = MoleculeOptions(structure=StructureOptions(sites="ca"), network=NetworkOptions(n_modes=9))
    links, rest = find_links(reference.sites), reference.sites.positions.numpy()
    worst = {}
    for deformation in ("linear", "blocks"):
        molecule = ReferenceOptions(adenylate_kinase_path, modes="7-9", molecule=options)
        stage = FitStage(molecule, tmp_path / "map.mrc", deformation=DeformationOptions(deformation))
        folder = run_fit(stage, output=tmp_path / deformation)
        fitted = read_models(folder / "fitted.pdb")[0].positions.numpy()
        worst[deformation] = np.abs(compute_distances(fitted, links) - compute_distances(rest, links)).max()
        assert np.sqrt(np.square(fitted - (moved + reference.model.center).numpy()).sum(axis=1).mean()) < 1
    assert worst["blocks"] < 0.003 < 0.3 < worst["linear"]


def test_a_path_reaches_as_far_as_it_is_told():
    landscape = Landscape(
        names=("a", "b"),
        coordinates=torch.tensor([[-5.0, 1.0], [5.0, -1.0]], dtype=torch.float64),
        groups=torch.tensor([0, 0]),
        mean=torch.tensor([10.0, 20.0], dtype=torch.float64),
        axes=torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64),
        explained=torch.tensor([0.9, 0.1], dtype=torch.float64),
        mode_numbers=(7, 8),
    )
    path = make_path(landscape, axis=2, n_frames=5, reach=30.0)
    assert torch.allclose(path[2], landscape.mean)
    assert torch.allclose(path[-1], landscape.mean + 30 * landscape.axes[1])
    assert torch.allclose(path[0], landscape.mean - 30 * landscape.axes[1])


def test_options_that_exclude_each_other_are_told():
    reference = ReferenceOptions(Path("a.pdb"))
    with pytest.raises(InputError, match="leave it out of --path groups"):
        AnimateStage(reference, Path("landscape"), path="groups", path_rmsd=3.0)
    with pytest.raises(InputError, match="--path-rmsd must be greater than 0"):
        AnimateStage(reference, Path("landscape"), path_rmsd=0.0)


def test_the_size_of_blocks_takes_blocks() -> None:
    with pytest.raises(InputError, match="--deformation blocks"):
        DeformationOptions(deformation_residues=3)
    assert DeformationOptions("blocks", deformation_residues=3).deformation_residues == 3
