"""What is known of each mode, as a table for the terminal and the page."""

import math

import pandas as pd

from deephemnma.pipeline.report.table import Table

PROPOSED = "proposed"


def make_choice_table(modes: pd.DataFrame) -> Table:
    """Return the rows of `modes.csv` (:func:`~deephemnma.pipeline.survey.make_survey_table`) but the rigid ones."""
    modes = modes[modes["remark"].fillna("") != "rigid"]
    renamed = {} if "frequency_ratio" in modes else {"eigenvalue": "variance [Å²]"}  # principal components
    columns = [column for column in _COLUMNS if column[0] in modes and modes[column[0]].notna().any()]
    head = ("mode", *(renamed.get(name, title) for name, title, _ in columns), "")
    rows = [
        (str(row["number"]), *(_show(row[name], form) for name, _, form in columns), _remark(row))
        for _, row in modes.iterrows()
    ]
    return Table(head, tuple(rows), ("ours",) * len(rows))


_COLUMNS = (
    ("eigenvalue", "eigenvalue", ".4g"),
    ("frequency_ratio", "frequency [x softest]", ".2f"),
    ("collectivity", "collectivity", ".2f"),
    ("score", "score", ".2f"),
    ("fluctuation_share", "fluctuation [share]", ".1%"),
    ("b_factor_correlation", "B-factors [this mode]", ".2f"),
    ("b_factor_correlation_cumulative", "B-factors [up to it]", ".2f"),
    ("overlap", "overlap [this mode]", ".3f"),
    ("cumulative_overlap", "overlap [up to it]", ".3f"),
    ("amplitude_towards_angstrom", "to get there [Å]", ".0f"),
    ("seen", "seen in [images]", ".0%"),
)
"""Column of the file, its title, and how its values are written."""


def _show(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _remark(row: pd.Series) -> str:
    if row["proposed"]:
        return PROPOSED
    return row["remark"] if isinstance(row["remark"], str) else ""
