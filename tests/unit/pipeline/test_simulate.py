"""Simulated images obey what was asked for."""

import json
import math
from pathlib import Path

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.fourier import fourier_transform, make_frequencies, make_shell_indices
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import compute_radial_mean
from deephemnma.imaging.synthesis import project_images
from deephemnma.io.particles import read_particles
from deephemnma.io.structure import read_structure
from deephemnma.io.structure_writer import write_models
from deephemnma.io.table import read_estimates
from deephemnma.metrics.angle import compute_axis_angle
from deephemnma.pipeline.conformation import describe_still, make_draw
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.reference import load_reference, read_or_compute_modes
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.modes import AnimationOptions, ModesStage
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.stage.simulate import ConformationOptions, ImageOptions, SimulateStage
from deephemnma.settings.structure import StructureOptions

BEADS = MoleculeOptions(
    structure=StructureOptions(sites="ca"), network=NetworkOptions(cutoff=10.0, n_modes=9), width=2.5
)
SMALL = {"box_size": 32, "pixel_size": 2.6}


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory, adenylate_kinase_path: Path) -> Path:
    stage = ModesStage(adenylate_kinase_path, molecule=BEADS, animation=AnimationOptions(animation_frames=3))
    return run_modes(stage, output=tmp_path_factory.mktemp("modes") / "out")


def test_modes_that_the_helix_leaves_at_rest_are_named(adenylate_kinase_path: Path) -> None:
    molecule = MoleculeOptions(structure=StructureOptions(sites="ca"))
    reference = load_reference(ReferenceOptions(adenylate_kinase_path, modes="7-10", molecule=molecule))
    told = describe_still(ConformationOptions(), reference.modes)
    assert "mode 10 stays at 0" in told
    assert describe_still(ConformationOptions(), reference.modes.select([7, 8, 9])) is None
    assert describe_still(ConformationOptions(distribution="normal"), reference.modes) is None


def simulate(modes: Path, output: Path, **options: object) -> Path:
    image = ImageOptions(**(SMALL | options.pop("image", {})))
    return run_simulate(SimulateStage(ReferenceOptions(modes), image=image, **options), output=output)


def test_modes_are_written_as_the_issue_names_them(modes: Path, adenylate_kinase_path: Path) -> None:
    reference = read_or_compute_modes(modes, MoleculeOptions())
    computed = read_or_compute_modes(adenylate_kinase_path, BEADS)
    assert torch.equal(reference.modes.vectors, computed.modes.vectors)
    assert (modes / "modes.csv").read_text().startswith("number,eigenvalue,collectivity,score")
    assert sorted(path.name for path in modes.glob("mode_*.pdb")) == ["mode_07.pdb", "mode_08.pdb", "mode_09.pdb"]
    assert len(reference.sites.elements) == reference.model.n_sites == 214


def test_stored_modes_refuse_options_that_cannot_count(modes: Path) -> None:
    with pytest.raises(InputError, match="computed already"):
        read_or_compute_modes(modes, BEADS)


@pytest.mark.parametrize(
    "microscope",
    [
        {"noise_before_ctf": 0.0},
        {"noise_before_ctf": 0.5},
        {"noise_before_ctf": 1.0},
        {
            "noise_resolution": 20.0,
            "noise_floor": 0.2,
            "contrast_spread": 0.3,
            "b_factor": 50.0,
            "defocus_um": 1.75,
            "defocus_spread_um": 1.25,
            "astigmatism_um": 0.2,
        },
    ],
    ids=["after", "both", "before", "hard"],
)
def test_noise_has_the_ratio_asked_for_and_the_power_that_is_told(
    modes: Path, tmp_path: Path, microscope: dict
) -> None:
    folder = simulate(modes, tmp_path / "s", count=96, image={"snr": 0.2, **microscope})
    particles, truth = read_particles(folder / "particles.star"), read_estimates(folder / "truth.parquet")
    formation = read_formation(folder / "simulation.json")
    reference = load_reference(ReferenceOptions(modes))
    clean = formation.contrast * project_images(
        reference.model,
        reference.modes,
        truth.poses,
        truth.amplitudes,
        optics=particles.optics,
        b_factor=formation.b_factor,
        **SMALL,
    )
    contrasts = json.loads((folder / "simulation.json").read_text()).get("relative_contrasts", [1.0])
    noise = particles[torch.arange(96)] - torch.tensor(contrasts)[:, None, None] * clean
    ratio = float(clean.var(dim=(1, 2)).mean() / noise.var(dim=(1, 2)).mean())
    assert ratio == pytest.approx(0.2, rel=0.03)
    frequencies = make_frequencies(particles.box_size, particles.pixel_size)
    shells = make_shell_indices(particles.box_size)
    told = formation.noise.compute_power(shells, compute_ctf(particles.optics.to("cpu"), frequencies))
    measured = compute_radial_mean((fourier_transform(noise).abs().square() / told).mean(dim=0))
    assert torch.allclose(measured[2:15], torch.ones(13), rtol=0.2)


def test_coloured_noise_falls_to_half_where_asked(modes: Path, tmp_path: Path) -> None:
    colour = {"noise_resolution": 20.0, "noise_floor": 0.0, "noise_before_ctf": 0.0}
    power = read_formation(simulate(modes, tmp_path / "s", count=2, image=colour) / "simulation.json").noise.power
    half = SMALL["box_size"] * SMALL["pixel_size"] / 20.0  # shell of 20 A
    assert float(power[round(2 * half)] / power[0]) == pytest.approx(1 / (1 + (round(2 * half) / half) ** 2), rel=1e-5)
    shells = make_shell_indices(SMALL["box_size"])
    assert float(power[shells][:, 1:-1].mean()) < 1 < float(power[0])


def test_each_image_has_its_own_lens_and_contrast(modes: Path, tmp_path: Path) -> None:
    image = {"defocus_um": 1.75, "defocus_spread_um": 1.25, "astigmatism_um": 0.2, "contrast_spread": 0.3}
    folder = simulate(modes, tmp_path / "s", count=200, image=image)
    optics = read_particles(folder / "particles.star").optics
    mean, difference = (optics.defocus_u + optics.defocus_v) / 2, optics.defocus_u - optics.defocus_v
    assert mean.min() > 5e3 - 1
    assert mean.max() < 3e4 + 1
    assert mean.std() == pytest.approx(2.5e4 / 12**0.5, rel=0.1)
    assert difference.min() > -1
    assert difference.max() < 2001
    assert float(difference.mean()) == pytest.approx(1e3, rel=0.1)
    assert float(optics.defocus_angle.std()) == pytest.approx(math.pi / 12**0.5, rel=0.1)
    formation, told = read_formation(folder / "simulation.json"), json.loads((folder / "simulation.json").read_text())
    contrasts = formation.contrast * torch.tensor(told["relative_contrasts"], dtype=torch.float64)
    assert float(contrasts.std()) == pytest.approx(formation.contrast_spread, rel=0.1)
    assert float(contrasts.mean()) == pytest.approx(formation.contrast, rel=0.05)


def test_an_image_depends_on_seed_and_number_alone(modes: Path, tmp_path: Path) -> None:
    few = read_particles(simulate(modes, tmp_path / "few", count=5) / "particles.star")[torch.arange(5)]
    many = read_particles(simulate(modes, tmp_path / "many", count=70) / "particles.star")[torch.arange(5)]
    scale = (few * many).sum() / few.square().sum()
    assert torch.allclose(few * scale, many, atol=0.05)
    assert float(scale) == pytest.approx(1, abs=0.1)


def test_the_papers_helix() -> None:
    draw = make_draw(ConformationOptions(), n_sites=1656, n_modes=4, seed=0)
    points = torch.stack([draw(image, torch.Generator().manual_seed(image)) for image in range(50)])
    r = -points[:, 0] / 200
    assert ((r >= 0) & (r <= 1)).all()
    assert torch.allclose(points[:, 1], 200 * (math.pi * r).sin())
    assert torch.allclose(points[:, 2], 200 * (math.pi * r).cos())
    assert (points[:, 3] == 0).all()
    with pytest.raises(InputError, match="three modes"):
        make_draw(ConformationOptions(), n_sites=1656, n_modes=2, seed=0)


def test_by_default_few_sites_move_as_far_as_many() -> None:
    few, many = (make_draw(ConformationOptions(), n_sites=n, n_modes=3, seed=0) for n in (414, 1656))
    image = torch.Generator().manual_seed(1)
    again = torch.Generator().manual_seed(1)
    assert torch.allclose(2 * few(0, image), many(0, again))


@pytest.mark.parametrize(
    ("distribution", "bound"), [("grid", 30.0), ("uniform", 30.0), ("normal", 150.0), ("clusters", 200.0)]
)
def test_other_distributions_stay_in_their_range_and_vary(distribution: str, bound: float) -> None:
    draw = make_draw(ConformationOptions(distribution=distribution, amplitude_scale=30.0), n_sites=9, n_modes=2, seed=0)
    points = torch.stack([draw(image, torch.Generator().manual_seed(image)) for image in range(100)])
    assert points.abs().max() <= bound
    assert (points.std(dim=0) > 5).all()
    if distribution == "grid":
        assert len(points.unique(dim=0)) == 25


def test_frames_of_a_trajectory_are_measured_along_the_modes(modes: Path, tmp_path: Path) -> None:
    reference = load_reference(ReferenceOptions(modes))
    amplitudes = torch.tensor([[10.0, 0, 0], [0, -20, 5]], dtype=torch.float64)
    frames = reference.modes.displace(reference.model.positions, amplitudes) + 30
    write_models(tmp_path / "frames.cif", reference.sites, frames)
    conformation = ConformationOptions(distribution="models", models=tmp_path / "frames.cif")
    folder = simulate(modes, tmp_path / "s", count=4, conformation=conformation)
    truth = read_estimates(folder / "truth.parquet")
    assert torch.allclose(truth.amplitudes, amplitudes.repeat(2, 1), atol=0.3)
    write_models(tmp_path / "short.cif", None, frames[:, :50])
    short = ConformationOptions(distribution="models", models=tmp_path / "short.cif")
    with pytest.raises(InputError, match="have 50 sites, the reference has 214"):
        simulate(modes, tmp_path / "t", count=4, conformation=short)


def test_orientations_are_uniform(modes: Path, tmp_path: Path) -> None:
    truth = read_estimates(simulate(modes, tmp_path / "s", count=200) / "truth.parquet")
    tops = truth.poses.rotations[:, 2]
    assert tops.mean(dim=0).norm() < 0.15
    middle = compute_axis_angle(truth.poses.rotations[:100], truth.poses.rotations[100:]).mean()
    assert float(middle) == pytest.approx(math.pi / 2, abs=0.2)
    assert truth.poses.shifts.abs().max() <= 1.625


def test_a_structure_can_be_read_back_from_the_sites(modes: Path) -> None:
    assert len(read_structure(modes / "sites.cif").elements) == 214
