"""What is found without the reference's help: neighbours, optics, box, repeats in a sample, text."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deephemnma.core.particle import Optics, Poses
from deephemnma.io.particles import read_particles
from deephemnma.pipeline.preflight.advice import choose_pixel, format_bytes, format_duration
from deephemnma.pipeline.preflight.box import judge_box
from deephemnma.pipeline.preflight.finding import Finding, Verdict, format_findings
from deephemnma.pipeline.preflight.neighbour import count_near, judge_neighbours
from deephemnma.pipeline.preflight.optics import compute_delocalization, judge_optics
from deephemnma.pipeline.preflight.sample import HeldImages, draw_sample
from deephemnma.pipeline.preflight.scan import Scan, judge_repeats, scan_images


def make_optics(um: float = 1.5, *, kv: float = 300.0, cs: float = 2.7, contrast: float = 0.1) -> Optics:
    one = torch.ones(10, dtype=torch.float64)
    return Optics(kv * one, cs * one, contrast * one, um * 1e4 * one, um * 1e4 * one, 0 * one, 0 * one)


@pytest.mark.parametrize(
    ("optics", "verdict", "said"),
    [
        (make_optics(), "ok", "as usual"),
        (None, "note", "no defocus"),
        (make_optics(1.5e-4), "fix", "look like um"),
        (make_optics(-1.5), "fix", "change the sign"),
        (make_optics(kv=0.3), "fix", "rlnVoltage"),
        (make_optics(cs=27.0), "fix", "rlnSphericalAberration"),
        (make_optics(contrast=0.0), "note", "amplitude contrast"),
        (replace(make_optics(), voltage_kv=torch.linspace(200, 300, 10).double()), "note", "several voltages"),
        (replace(make_optics(), phase_flipped=True), "ok", "phase-flipped"),
    ],
)
def test_unlikely_optics_are_told(optics: Optics | None, verdict: str, said: str) -> None:
    found = judge_optics(optics)
    assert (found.verdict, said in found.sentence) == (verdict, True)


def test_delocalization_is_that_of_the_textbook() -> None:
    """lambda dz k: 0.0197 A times 15,000 A at 4 A is 74 A, less Cs lambda^3 k^3 = 3 A."""
    assert compute_delocalization(make_optics(), 4.0) == pytest.approx(
        0.01969 * 1.5e4 / 4 - 2.7e7 * 0.01969**3 / 64, rel=1e-3
    )


@pytest.mark.parametrize(
    ("box_size", "verdict", "said"),
    [(20, "fix", "does not hold it"), (32, "note", "finer"), (48, "ok", ""), (128, "note", "smaller")],
)
def test_the_box_is_held_against_the_reference(probe, box_size: int, verdict: str, said: str) -> None:
    found = judge_box(probe.model, box_size=box_size, pixel_size=2.6, optics=make_optics(), poses=None)
    assert (found.verdict, said in found.sentence) == (verdict, True)


def test_shifts_need_room(probe, truth) -> None:
    far = Poses(truth.poses.rotations, truth.poses.shifts + 40)
    assert judge_box(probe.model, box_size=40, pixel_size=2.6, optics=None, poses=far).verdict == "fix"


def test_neighbours_are_counted_within_a_micrograph() -> None:
    centers = np.array([[0, 0], [3, 0], [0, 4], [100, 0], [0, 0], [np.nan, 0]], dtype=float)
    micrographs = np.array(["a", "a", "a", "a", "b", "a"])
    assert count_near(centers, micrographs, limit=3.5) == 1
    assert count_near(centers, micrographs, limit=5.5) == 2


def test_two_picks_of_one_particle_are_found_at_its_centre(spoil) -> None:
    """Coordinates are text, in pixels of the micrograph; the centres are those that the shifts lead to."""

    def pick(table):
        x = [str(1000 * number) for number in range(63)] + ["62020"]
        return table.assign(rlnCoordinateX=x, rlnCoordinateY="5", rlnMicrographName="m.mrc")

    particles = read_particles(
        spoil(table=pick, optics=lambda groups: groups.assign(rlnMicrographOriginalPixelSize=1.3))
    )
    near = {"diameter": 70.0, "closest": 0.25}
    assert judge_neighbours(particles, poses=None, **near).verdict == "ok"  # 26 A apart
    shifts = torch.zeros(64, 2, dtype=torch.float64)
    shifts[-1, 0] = 15.0
    found = judge_neighbours(particles, poses=Poses(torch.eye(3).double().repeat(64, 1, 1), shifts), **near)
    assert (found.verdict, found.figures["near"]) == ("fix", 1)
    assert judge_neighbours(particles, poses=None, diameter=70.0, closest=0.0) is None


def test_coordinates_that_are_not_there_are_not_looked_at(folder) -> None:
    assert judge_neighbours(read_particles(folder / "posed.star"), poses=None, diameter=70.0, closest=0.25) is None


def test_a_sample_is_even_and_the_same_every_time() -> None:
    ids = draw_sample(1000, 100, seed=0)
    assert torch.equal(ids, draw_sample(1000, 100, seed=0))
    assert not torch.equal(ids, draw_sample(1000, 100, seed=1))
    assert torch.equal(ids // 10, torch.arange(100))
    assert torch.equal(draw_sample(7, 100, seed=0), torch.arange(7))
    assert len(draw_sample(10, 4, seed=0).unique()) == 4


def test_repeats_of_a_part_stand_for_those_of_all() -> None:
    """A set that was joined with itself: of every second image read, half the pairs of half the images."""
    images = torch.randn(200, 8, 8, generator=torch.Generator().manual_seed(0))
    names = tuple(map(str, range(400)))
    source = HeldImages(torch.cat((images, images)), names=names, optics=None, pixel_size=1.0)
    found = scan_images(source, count=200, seed=0)
    assert found.repeated_share == pytest.approx(0.5, abs=0.15)
    assert judge_repeats(found).verdict == "fix"
    assert "of all 400" in judge_repeats(found).sentence
    assert judge_repeats(Scan(400, 200, 0, 0, (), 1.0)).verdict == "ok"


def test_findings_are_told_in_lines_that_fit() -> None:
    findings = [Finding("one", Verdict.OK, "word " * 60), Finding("another", Verdict.FIX, "short.")]
    lines = format_findings(findings, commands=["deephemnma prepare"]).splitlines()
    assert max(map(len, lines)) <= 116
    assert lines[0].startswith("ok    one      word")
    assert "verdict: fix this first: another" in lines
    assert lines[-1] == "  deephemnma prepare"


def test_pixels_are_coarsened_where_that_pays() -> None:
    assert choose_pixel(6.0, box_size=256, pixel_size=0.8) == pytest.approx(2.5)
    assert choose_pixel(6.0, box_size=256, pixel_size=2.2) is None
    assert choose_pixel(60.0, box_size=64, pixel_size=2.0) is None


def test_sizes_and_times_are_told_as_people_do() -> None:
    assert (format_bytes(1.23e9), format_bytes(12), format_bytes(5e12)) == ("1.23 GB", "12 B", "5 TB")
    assert (format_duration(0.2), format_duration(80), format_duration(5400), format_duration(2e6)) == (
        "1 s", "80 s", "1.5 h", "23 d",
    )  # fmt: skip
