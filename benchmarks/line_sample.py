"""The line on 17 experimental particles with RELION's poses, whose molecule is not told."""

import experimental
from line import Line, check, make_row, preflight
from line_candidates import compare_controls, compare_trials, make_references, try_references
from line_picked import LIKELY, make_sources

import deephemnma as dh
from deephemnma.settings.stage.preflight import PreflightStage

SET = "17 particles with poses"
FIGURES = ("median from RELION's (deg)", "within 20 deg", "median in the best frame (deg)")
PIXEL = 3.345
SEARCH = dh.EstimateSettings(
    resolution=20.0, search_resolution=40.0, orientations=4000, shift_range=20.0, effort="normal"
)


def run(line: Line) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Run the benchmark `experimental`, preflight, and other references on the same images."""
    line = line.go_into("sample")
    rows = []
    for row in experimental.measure(line.data)[0]:
        known = {"images": row["images"], "failed": 1 - row["within 20 deg"]}
        rows += [make_row(SET, row["method"], figure, row[figure], **known) for figure in FIGURES]
    experimental.link_stack(line.data, line.folder)
    star = line.data / experimental.STAR
    notes = {f"{SET}, check": check(star, datadir=line.folder)}
    options = dh.ReferenceOptions(line.data / experimental.MAP, modes="")
    stage = PreflightStage(star, options, datadir=line.folder, search=experimental.SETTINGS, workers=line.workers)
    notes |= preflight(line, stage, SET)
    prepared = dh.run_prepare(
        dh.PrepareStage(star, datadir=line.folder, pixel_size=PIXEL, workers=line.workers),
        output=line.folder / "prepared",
    )
    trials = try_references(
        line, prepared, make_references(line, make_sources(line.data), controlled=(LIKELY,)), SEARCH
    )
    best = max(trials, key=lambda name: float(trials[name].gains.mean()))
    return [*rows, *compare_trials(SET, trials, against=best), *compare_controls(SET, trials)], notes
