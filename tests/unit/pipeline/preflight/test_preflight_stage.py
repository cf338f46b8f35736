"""The stage `preflight`: a right set is let go, each thing that is wrong on purpose is found."""

from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import compute_geodesic_angle, rotation_from_vector
from deephemnma.io.particles import read_particles
from deephemnma.pipeline.preflight import run_preflight
from deephemnma.pipeline.preflight.stage import PICTURE, TABLE, TEXT
from deephemnma.pipeline.project import run_project
from deephemnma.settings.stage.run import RunStage

COUNT = 64
SEARCH = {"effort": "quick", "orientations": 500, "amplitude_range": 2.0, "amplitude_spacing": 2.0}


def test_a_right_set_goes(folder, look) -> None:
    found = look(folder / "posed.star")
    verdicts = {name: each["verdict"] for name, each in found["by_name"].items()}
    assert found["verdict"] == "go"
    assert {name for name, verdict in verdicts.items() if verdict != "ok"} == set()
    assert {"poses", "frame of the poses", "pixel size", "contrast", "junk", "box", "CTF in the images"} <= set(
        verdicts
    )
    assert found["by_name"]["signal"]["snr"] == pytest.approx(0.5, rel=0.15)
    assert found["by_name"]["pixel size"]["scale"] == pytest.approx(1, abs=0.02)
    assert found["commands"][-1].startswith("deephemnma refine ")


def test_dark_protein_is_found(spoil, look) -> None:
    found = look(spoil(images=np.negative))
    assert found["by_name"]["contrast"]["verdict"] == "fix"
    assert "prepare --invert-contrast" in found["by_name"]["contrast"]["sentence"]
    assert found["verdict"] == "fix this first: contrast"  # the rest is judged as if it were inverted
    assert "--invert-contrast" in found["commands"][0]


def test_a_wrong_pixel_size_is_found(spoil, look) -> None:
    found = look(spoil(optics=lambda groups: groups.assign(rlnImagePixelSize=2.6 * 1.2)))
    size = found["by_name"]["pixel size"]
    assert size["verdict"] == "fix"
    assert size["suggested"] == pytest.approx(2.6, rel=0.05)


def test_a_missing_ctf_is_told_and_seen(spoil, look) -> None:
    defocus = ["rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"]
    found = look(spoil(table=lambda table: table.drop(columns=defocus)))
    assert found["by_name"]["CTF values"]["verdict"] == "note"
    assert found["by_name"]["CTF in the images"]["verdict"] == "fix"


def test_images_that_are_phase_flipped_unsaid_are_found(folder, spoil, look) -> None:
    from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_frequencies
    from deephemnma.imaging.ctf import compute_ctf

    optics = read_particles(folder / "set" / "particles.star").optics

    def flip(stack: np.ndarray) -> np.ndarray:
        ctf = compute_ctf(optics.to("cpu"), make_frequencies(40, 2.6))
        return inverse_fourier_transform(fourier_transform(torch.from_numpy(stack)) * ctf.sign(), box_size=40).numpy()

    found = look(spoil(images=flip))["by_name"]["CTF in the images"]
    assert (found["verdict"], "set rlnCtfDataArePhaseFlipped to 1" in found["sentence"]) == ("fix", True)


def test_junk_is_found(spoil, look) -> None:
    def add_noise(stack: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).normal(size=(19, *stack.shape[1:]))
        return np.concatenate((stack[: COUNT - 19], noise * stack.std()))

    found = look(spoil(images=add_noise))
    assert found["by_name"]["junk"]["verdict"] == "note"
    assert 0.18 < found["by_name"]["junk"]["share_junk"] < 0.42
    assert found["verdict"] == "go"


def test_damaged_and_identical_images_are_found(spoil, look) -> None:
    def damage(stack: np.ndarray) -> np.ndarray:
        stack[::8] = np.nan
        return np.concatenate((stack, stack[1:5]))

    found = look(spoil(images=damage))
    assert found["by_name"]["bad images"]["bad"] == COUNT // 8
    assert found["by_name"]["identical images"]["repeats"] == 4
    assert found["verdict"] == "fix this first: bad images, identical images"


def test_images_of_nan_alone_are_refused(spoil, look) -> None:
    with pytest.raises(InputError, match="all hold NaN or are flat"):
        look(spoil(images=lambda stack: np.full_like(stack, np.nan)))


def test_another_frame_is_found_and_put_right(truth, look, write_poses, tmp_path: Path) -> None:
    """Poses of a map in which the molecule is turned by 40 degrees and lies 10 A off the centre."""
    turn = rotation_from_vector(torch.tensor([0.4, 0.48, -0.3], dtype=torch.float64))
    move = torch.tensor([6.0, -7.0, 4.0], dtype=torch.float64)
    theirs = truth.poses.rotations @ turn.mT
    path = write_poses(tmp_path / "moved.star", Poses(theirs, truth.poses.shifts + (theirs @ move)[:, :2]))
    found = look(path)
    frame = found["by_name"]["frame of the poses"]
    assert frame["verdict"] == "fix"
    assert frame["angle_deg"] == pytest.approx(np.degrees((0.4**2 + 0.48**2 + 0.3**2) ** 0.5), abs=4)
    assert frame["distance_angstrom"] == pytest.approx(float(move.norm()), abs=2)
    corrected = read_particles(tmp_path / "preflight" / "corrected.star").poses
    angles = compute_geodesic_angle(corrected.rotations, truth.poses.rotations).rad2deg()
    assert float(angles.median()) < 4
    assert float((corrected.shifts - truth.poses.shifts).norm(dim=1).median()) < 1
    assert "corrected.star" in found["commands"][-1]


def test_inverted_rotations_are_found_and_put_right(folder, truth, look, write_poses, tmp_path: Path) -> None:
    poses = Poses(truth.poses.rotations.mT, truth.poses.shifts)
    found = look(folder / "set", estimates=str(write_poses(tmp_path / "inverse.star", poses)))
    assert found["verdict"] == "fix this first: poses"
    assert "rotations inverted" in found["by_name"]["poses"]["sentence"]
    corrected = read_particles(tmp_path / "preflight" / "corrected.star").poses
    assert torch.allclose(corrected.rotations, truth.poses.rotations, atol=1e-4)


def test_it_is_a_stage_of_a_project_and_times_what_comes(folder, tmp_path: Path) -> None:
    """The whole of it, forecast included; a second run has nothing to do."""
    search = ", ".join(f"{name}: {value}" for name, value in SEARCH.items())
    (tmp_path / "project.yaml").write_text(
        f"""
        stages:
          look: {{command: preflight, particles: {folder / "set"}, reference: {folder / "modes"}, modes: 7-8,
                  sample: 16, pilot_images: 8, {search}}}
        """
    )
    run = run_project(RunStage(tmp_path / "project.yaml"), output=tmp_path / "run") / "01_look"
    text = (run / TEXT).read_text()
    for stage in ("prepare", "estimate", "train", "predict", "refine", "landscape", "reconstruct"):
        assert f"\n{stage} " in text
    assert "core-s an image, measured" in text
    assert (run / PICTURE).read_bytes().startswith(b"\x89PNG")
    written = (run / TABLE).stat().st_mtime_ns
    run_project(RunStage(tmp_path / "project.yaml"), output=tmp_path / "run")
    assert (run / TABLE).stat().st_mtime_ns == written
    assert run_preflight.__module__ == "deephemnma.pipeline.preflight.stage"
