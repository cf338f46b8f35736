"""Sections of the report; each returns its HTML, or nothing where its data are absent."""

import math
from collections.abc import Sequence

from deephemnma.metrics.fsc import find_crossing
from deephemnma.metrics.summary import FailureRule
from deephemnma.pipeline.report.data import Comparison, GroupMap, ReportData
from deephemnma.pipeline.report.figure import (
    draw_conformations,
    draw_error_curves,
    draw_landscape,
    draw_shell_curves,
    draw_slices,
    draw_training,
)
from deephemnma.pipeline.report.html import (
    format_facts,
    format_figure,
    format_html_table,
    format_image,
    format_paragraph,
)
from deephemnma.pipeline.report.mode_table import make_choice_table
from deephemnma.pipeline.report.status import make_status_table
from deephemnma.pipeline.report.table import (
    make_calibration_table,
    make_cost_table,
    make_displacement_table,
    make_error_table,
    make_resolution_table,
)
from deephemnma.pipeline.report.view_map import make_visibility_table

SURVEY_WIDTH, CHOICE_WIDTH = 900, 1120
"""CSS pixels, at the most."""
PNG_WIDTH = slice(16, 20)
"""Where a PNG file has its width, a big-endian integer."""


def make_sections(data: ReportData) -> dict[str, str]:
    """Return heading -> HTML of every section that `data` can fill, in the order of the page."""
    makers = {
        "What was run": _make_facts,
        "Modes": _make_choice,
        "What can be seen": _make_survey,
        "What became of the images": _make_statuses,
        "Errors": _make_errors,
        "Conformations found": _make_conformations,
        "Error bars": _make_error_bars,
        "Training": _make_training,
        "Landscape": _make_landscape,
        "Maps": _make_maps,
        "What it cost": _make_costs,
    }
    sections = {name: make(data) for name, make in makers.items()}
    return {name: body for name, body in sections.items() if body}


def compute_crossings(groups: Sequence[GroupMap]) -> list[tuple[float, float, float, float]]:
    """Return, for each group, the resolutions (A) at which its curves cross: halves 0.143, 0.5; model 0.5, 0.143."""
    return [
        (
            find_crossing(group.halves, 0.143),
            find_crossing(group.halves, 0.5),
            math.nan if group.model is None else find_crossing(group.model, 0.5),
            math.nan if group.model is None else find_crossing(group.model, 0.143),
        )
        for group in groups
    ]


def _make_facts(data: ReportData) -> str:
    return format_facts(data.facts) if data.facts else ""


def _make_choice(data: ReportData) -> str:
    if data.choice is None:
        return ""
    note = (
        "Fluctuation: share of the mean square displacement that thermal motion gives the mode, of all in the table. "
        "Score: mean rank by frequency and collectivity, low is good. B-factors: correlation of the fluctuation with "
        "those of the file. Overlap: cosine with the known motion."
    )
    caption = (
        "Proposed modes in colour, pale what was left out. Right: displacement of each residue in the proposed modes, "
        "and the B-factors beside what the modes say."
    )
    reason = format_paragraph(f"Proposed: {data.choice.reason}.")
    table = format_html_table(make_choice_table(data.choice.modes))
    width = int.from_bytes(data.choice.picture[PNG_WIDTH])
    picture = format_image(data.choice.picture, caption=caption, width=min(width, CHOICE_WIDTH))
    return reason + table + format_paragraph(note, kind="note") + picture


def _make_survey(data: ReportData) -> str:
    if data.survey is None:
        return ""
    note = (
        "Foretold from the reference alone: the error bar that no method can beat in one image, its pose, contrast and "
        "other amplitudes being unknown. Medians over the views. x all else known: how much larger that makes it; "
        "chief rival: what takes most of it (share of the variance that would vanish were it known)."
    )
    caption = (
        "Error bar by view, half the sphere of views for each mode (the other half is its mirror image); equal areas "
        "are equal numbers of views."
    )
    table = format_html_table(make_visibility_table(data.survey.modes))
    width = int.from_bytes(data.survey.picture[PNG_WIDTH])
    picture = format_image(data.survey.picture, caption=caption, width=min(width, SURVEY_WIDTH))
    return table + format_paragraph(note, kind="note") + picture


def describe_rules(comparisons: Sequence[Comparison]) -> str:
    """Return a sentence that says when an image counts as failed, for each rule in use."""
    labels: dict[FailureRule, list[str]] = {}
    for comparison in comparisons:
        labels.setdefault(comparison.summary.rule, []).append(comparison.label)
    sentences = []
    for rule, names in labels.items():
        plain = f"rotation over {math.degrees(rule.angle):g}° or a displacement over {rule.displacement:g} Å"
        if rule.deviations is not None:
            plain = (
                f"any parameter over {rule.deviations:g} standard deviations of the Cramér-Rao bound (unknown: {plain})"
            )
        sentences.append(plain if len(labels) == 1 else f"{plain} ({', '.join(names)})")
    return f"Failed: {'; '.join(sentences)}; or nothing found."


def _make_statuses(data: ReportData) -> str:
    sets = {label: estimates for label, estimates in data.estimates.items() if len(estimates)}
    if not sets:
        return ""
    note = "Where several apply to an image, the gravest is counted."
    return format_html_table(make_status_table(sets)) + format_paragraph(note, kind="note")


def _make_errors(data: ReportData) -> str:
    if not data.comparisons:
        return ""
    tables = [
        format_html_table(make(data.comparisons, beside_paper=data.beside_paper))
        for make in (make_error_table, make_displacement_table)
    ]
    notes = (
        "Mean absolute errors over all images, failed ones included; medians in brackets. "
        "Axes: mean angle between the three rotated axes, the paper's measure; rotation: the angle of the rotation "
        f"between found and true. {describe_rules(data.comparisons)}"
    )
    more = (
        "RMSD: displacement of the atoms by that kind of error alone. x bound: root mean square error in units of the "
        "Cramér-Rao bound, which no method can beat, over the best 99 % of images; 1 is perfect. Chance spreads single "
        "images around it."
    )
    if data.beside_paper:
        more += (
            " In italics: Hamitouche & Jonic 2022, Tables 1-4, 128² images at 0.65 Å of the same molecule, motion and "
            "signal-to-noise ratio; failures are not given there."
        )
    curves = format_figure(
        draw_error_curves(data.comparisons), caption="Share of the images whose error is below a given size."
    )
    first, second = tables
    return first + format_paragraph(notes, kind="note") + second + format_paragraph(more, kind="note") + curves


def _make_conformations(data: ReportData) -> str:
    sets = {
        label: estimates for label, estimates in data.estimates.items() if estimates.n_modes >= 2 and len(estimates)
    }
    if not sets:
        return ""
    if data.truth is None:
        caption = "Amplitudes found along the modes; the colour is the score, high is good."
    else:
        caption = (
            "Amplitudes found along the modes, over the true ones (grey). The colour is the distance of a point from "
            "its own true place, in amplitude; the scale ends at the 95th percentile."
        )
    return format_figure(draw_conformations(sets, data.truth), caption=caption, kind="png", dpi=110)


def _make_error_bars(data: ReportData) -> str:
    table = make_calibration_table(data.comparisons)
    if not table.rows:
        return ""
    note = "How often the truth lies within the error bars that are claimed, beside how often it should (in brackets)."
    return format_html_table(table) + format_paragraph(note, kind="note")


def _make_training(data: ReportData) -> str:
    if data.training_log is None or data.training_log.empty:
        return ""
    return format_figure(draw_training(data.training_log), caption="Loss of the network over the course of training.")


def _make_landscape(data: ReportData) -> str:
    if data.landscape is None or not data.landscape.names:
        return ""
    count = len(data.landscape.names)
    caption = f"Conformational space of {count:,} images by principal component analysis; numbers are groups."
    return format_figure(draw_landscape(data.landscape), caption=caption, kind="png")


def _make_maps(data: ReportData) -> str:
    if not data.group_maps:
        return ""
    table = make_resolution_table(data.group_maps, compute_crossings(data.group_maps))
    note = (
        "Resolutions at which the Fourier shell correlation falls below 0.143 and 0.5: between the two half-maps of a "
        "group, and of its map with the map of the reference at the group's mean conformation. No mask."
    )
    slices = format_figure(draw_slices(data.group_maps), caption="Central slices of each group's map.", kind="png")
    curves = format_figure(draw_shell_curves(data.group_maps), caption="Fourier shell correlations.")
    return format_html_table(table) + format_paragraph(note, kind="note") + slices + curves


def _make_costs(data: ReportData) -> str:
    if not data.costs:
        return ""
    note = "CPU time of all processes together. HEMNMA took 230 CPU s an image, 64,000 core-hours a million (paper)."
    if not data.beside_paper:
        note = "CPU time of all processes together."
    return format_html_table(make_cost_table(data.costs)) + format_paragraph(note, kind="note")
