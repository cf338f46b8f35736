import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from deephemnma.core.estimates import Estimates, Status, concatenate_estimates, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations, rotation_from_vector
from deephemnma.core.structure import DensityMap
from deephemnma.landscape.group import group_by_quantile
from deephemnma.landscape.reduction import make_landscape
from deephemnma.metrics.fsc import ShellCurve
from deephemnma.pipeline.report.data import (
    WITHIN_REACH,
    Comparison,
    GroupMap,
    ReportData,
    StageCost,
    make_comparison,
)
from deephemnma.pipeline.report.page import write_report
from deephemnma.pipeline.report.section import compute_crossings, describe_rules, make_sections
from deephemnma.pipeline.report.status import MEANINGS, make_status_table
from deephemnma.pipeline.report.table import (
    format_error_table,
    format_seconds,
    make_calibration_table,
    make_cost_table,
    make_displacement_table,
    make_error_table,
)

N_SITES = 1656
SD = torch.tensor([2.0, 2.0, 2.0, 0.004, 0.004, 0.004, 0.02, 0.02], dtype=torch.float64)


def make_truth(count: int = 60, modes: tuple[int, ...] = (7, 8, 9)) -> Estimates:
    generator = torch.Generator().manual_seed(0)
    r = torch.rand(count, generator=generator, dtype=torch.float64)
    helix = 200 * torch.stack((-r, (math.pi * r).sin(), (math.pi * r).cos()), dim=1)
    poses = Poses(make_random_rotations(count, generator=generator), torch.zeros(count, 2, dtype=torch.float64))
    names = tuple(f"{number:06d}@a.mrcs" for number in range(count))
    amplitudes = helix[:, : len(modes)]
    return make_estimates(names=names, poses=poses, amplitudes=amplitudes, mode_numbers=modes, status=Status.GIVEN)


def disturb(truth: Estimates, *, factor: float = 1.0, with_error_bars: bool = True) -> Estimates:
    n_modes, count = truth.n_modes, len(truth)
    sd = torch.cat((SD[:n_modes], SD[3:]))
    error = factor * sd * torch.randn(count, n_modes + 5, generator=torch.Generator().manual_seed(1)).double()
    covariance = torch.diag(sd.square()).repeat(count, 1, 1)
    return Estimates(
        names=truth.names,
        poses=Poses(
            rotation_from_vector(error[:, n_modes : n_modes + 3]) @ truth.poses.rotations,
            truth.poses.shifts + error[:, -2:],
        ),
        amplitudes=truth.amplitudes + error[:, :n_modes],
        covariance=covariance if with_error_bars else covariance * torch.nan,
        score=torch.zeros(count, dtype=torch.float64),
        status=(Status.CONVERGED,) * count,
        mode_numbers=truth.mode_numbers,
    )


def compare(factor: float = 1.0, **options) -> Comparison:
    truth = make_truth()
    bound = torch.diag(SD.square()).repeat(len(truth), 1, 1)
    positions = 12 * torch.randn(200, 3, generator=torch.Generator().manual_seed(2)).double()
    label = options.pop("label", "found against truth")
    found = disturb(truth, factor=factor)
    return make_comparison(label, found, truth, n_sites=N_SITES, positions=positions, bound=bound, **options)


def make_group_map(number: int) -> GroupMap:
    frequencies = torch.arange(1, 9, dtype=torch.float64) / 20.8
    curve = ShellCurve(frequencies, torch.linspace(1, 0, 8, dtype=torch.float64))
    values = torch.randn(16, 16, 16, generator=torch.Generator().manual_seed(number))
    return GroupMap(number, 30, DensityMap(values, 1.3, torch.zeros(3), "a map"), curve, curve if number else None)


@pytest.fixture(scope="module")
def data() -> ReportData:
    truth = make_truth()
    found = disturb(truth)
    steps = np.arange(1, 21) * 1000.0
    log = pd.DataFrame({"images": steps, "loss": 1 / steps, "loss_shift": 0.5 / steps, "validation_loss": np.nan})
    log.loc[9::10, "validation_loss"] = 2e-4
    return ReportData(
        title="A <run> & its report",
        facts={"reference": "4AKE", "modes": "7-9"},
        estimates={"refined": found},
        truth=truth,
        comparisons=(compare(),),
        beside_paper=True,
        training_log=log,
        landscape=group_by_quantile(make_landscape(found, n_axes=2), n_groups=2),
        group_maps=(make_group_map(0), make_group_map(1)),
        costs=(StageCost("estimate", 30.0, 61.0, 60), StageCost("train", 90.0, 150.0)),
        remarks=("3 % fell back.",),
    )


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path, data):
    write_report(tmp_path / "report.html", data)
    page = (tmp_path / "report.html").read_text(encoding="utf8")
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]
    assert not re.search(r"""(src|href)=["']?(?!["']?(data:|#))""", page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "<script" not in page
    assert page.count("<img") == page.count("alt=") >= 6
    assert "A &lt;run&gt; &amp; its report" in page
    assert "3 % fell back." in page
    assert len(page) < 2_000_000


def test_the_same_run_gives_the_same_page(tmp_path, data):
    for name in ("one.html", "two.html"):
        write_report(tmp_path / name, data)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_every_section_is_there_with_all_data(data):
    assert list(make_sections(data)) == [
        "What was run", "What became of the images", "Errors", "Conformations found", "Error bars", "Training",
        "Landscape", "Maps", "What it cost",
    ]  # fmt: skip


def test_sections_without_data_are_left_out():
    assert make_sections(ReportData("Nothing", {})) == {}
    found = disturb(make_truth())
    sections = make_sections(ReportData("No truth", {}, estimates={"refined": found}))
    assert list(sections) == ["What became of the images", "Conformations found"]
    assert "score" in sections["Conformations found"]


@pytest.mark.parametrize("modes", [(7,), (7, 9)])
def test_fewer_than_three_modes_can_be_shown(modes):
    truth = make_truth(modes=modes)
    found = disturb(truth)
    comparison = make_comparison("found", found, truth, n_sites=N_SITES)
    landscape = make_landscape(found, n_axes=1)
    data = ReportData("Few", {}, {"found": found}, truth, (comparison,), beside_paper=True, landscape=landscape)
    sections = make_sections(data)
    assert "Landscape" in sections
    assert ("Conformations found" in sections) == (len(modes) > 1)
    assert "paper:" not in sections["Errors"]


def test_images_without_a_result_are_drawn_around():
    truth = make_truth()
    found = disturb(truth)
    found.amplitudes[3] = torch.nan
    comparison = make_comparison("found", found, truth, n_sites=N_SITES)
    sections = make_sections(ReportData("Holes", {}, {"found": found}, truth, (comparison,)))
    assert {"Errors", "Conformations found"} <= set(sections)
    assert "1.7%" in sections["Errors"]


def test_sets_that_truth_knows_in_part_can_be_shown():
    truth = make_truth()
    part = truth.select(torch.arange(0, 60, 2))
    sections = make_sections(ReportData("Part", {}, {"found": disturb(truth)}, part))
    assert "Conformations found" in sections


def test_the_error_table_says_what_was_measured():
    comparison = compare()
    table = make_error_table([comparison], beside_paper=True)
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert row["images"] == "60"
    assert row["failed"] == "0.0%"
    mean = float(comparison.errors.amplitudes[:, 0].abs().mean())
    assert row["q7 [Å]"].startswith(f"{mean:.2f} (")
    assert float(row["rotation [°]"].split()[0]) == pytest.approx(math.degrees(0.004) * 1.6, rel=0.15)
    assert table.origins == ("ours", *["paper"] * 4)
    hemnma = dict(zip(table.head, table.rows[1], strict=True))
    assert (hemnma["q8 [Å]"], hemnma["axes [°]"]) == ("6.2", "1.0")


def test_the_bound_stands_beside_the_displacements():
    for factor, within in ((1.0, 95.0), (6.0, 5.0)):
        table = make_displacement_table([compare(factor)])
        row = dict(zip(table.head, table.rows[0], strict=True))
        assert float(row["x bound, best 99%"]) == pytest.approx(factor, rel=0.12)
        assert (float(row["within 2 x bound"].rstrip("%")) > within) == (factor == 1.0)
    without = make_comparison("found", disturb(make_truth()), make_truth(), n_sites=N_SITES)
    assert make_displacement_table([without]).rows[0][-2:] == ("–", "–")


def test_predictions_are_judged_by_what_refinement_reaches():
    strict, lax = compare(12.0), compare(12.0, rule=WITHIN_REACH, label="predicted against truth")
    assert strict.summary.failure_rate == 1.0
    assert lax.summary.failure_rate < 0.1
    text = describe_rules([strict, lax])
    assert "5 standard deviations" in text
    assert "15°" in text
    assert "(predicted against truth)" in text
    assert describe_rules([lax]) == "Failed: rotation over 15° or a displacement over 2 Å; or nothing found."


def test_the_terminal_table_is_aligned_and_fits():
    text = format_error_table([compare(), compare(3.0, label="another, further off")], beside_paper=True)
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= 125
    starts = {line.index("60") for line in lines if line.startswith(("found", "another"))}
    assert len(starts) == 2  # one place in each of the two tables
    assert "paper: HEMNMA against truth" in text


def test_calibration_is_told_by_kind_of_parameter():
    table = make_calibration_table([compare()])
    assert [row[1] for row in table.rows] == ["amplitudes", "rotation", "shift"]
    assert all(55 < float(row[2].rstrip("%")) < 80 for row in table.rows)
    assert all(float(row[4]) == pytest.approx(0.67, abs=0.12) for row in table.rows)
    truth = make_truth()
    bare = make_comparison("bare", disturb(truth, with_error_bars=False), truth, n_sites=N_SITES)
    assert bare.calibration is None
    assert make_calibration_table([bare]).rows == ()


def test_crossings_are_those_of_the_curves():
    halves_low, halves_half, model_half, _ = compute_crossings([make_group_map(1)])[0]
    assert halves_half == pytest.approx(20.8 / 4.5)
    assert halves_low == pytest.approx(20.8 / 7.0, rel=0.01)
    assert model_half == halves_half
    assert math.isnan(compute_crossings([make_group_map(0)])[0][2])


def test_costs_add_up():
    table = make_cost_table([StageCost("estimate", 30.0, 61.0, 60), StageCost("train", 100.0, 3600.0)])
    assert table.rows[0] == ("estimate", "60", "30.0 s", "1 min 01 s", "1.02 s")
    assert table.rows[-1] == ("all", "–", "2 min 10 s", "1 h 01 min", "–")
    assert format_seconds(59.94) == "59.9 s"


def test_both_sets_may_be_compared_with_one_truth():
    truth = make_truth()
    halves = [disturb(truth.select(rows)) for rows in torch.arange(60).split(30)]
    whole = make_comparison("both", concatenate_estimates(halves), truth, n_sites=N_SITES)
    assert whole.summary.n_images == 60
    assert make_comparison("one", halves[1], truth, n_sites=N_SITES).summary.n_images == 30


def test_statuses_are_counted_and_explained():
    found = disturb(make_truth(20))
    mixed = (Status.CONVERGED,) * 15 + (Status.AMBIGUOUS,) * 3 + (Status.JUNK,) * 2
    table = make_status_table({"estimated": replace(found, status=mixed), "refined": found})
    assert table.head == ("status", "estimated", "refined", "meaning")
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["converged", "ambiguous", "junk", "left aside"]
    assert rows["ambiguous"] == ("3 (15.0%)", "–", MEANINGS[Status.AMBIGUOUS])
    assert rows["converged"][:2] == ("15 (75.0%)", "20 (100.0%)")
    assert rows["left aside"][:2] == ("5 (25.0%)", "–")


def test_every_status_has_a_meaning(data):
    assert set(MEANINGS) == set(Status)
    assert "explains the image as a right answer does" in make_sections(data)["What became of the images"]
