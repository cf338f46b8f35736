"""The stage `fsc`."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from deephemnma.io.atomic import write_beside
from deephemnma.io.density import read_map
from deephemnma.metrics.fsc import ShellCurve, compute_fsc, find_crossing
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.fsc import FscStage

COLUMNS = ("frequency_per_angstrom", "correlation")


def run_fsc(settings: FscStage, *, output: Path | str) -> Path:
    """Compare two maps by their Fourier shell correlation.

    Writes `fsc.csv` (frequency in 1/A, correlation).

    Parameters
    ----------
    settings
        The two maps.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("fsc", settings, output=output, body=_compare)


def write_curve(path: Path, curve: ShellCurve) -> None:
    """Write a curve as CSV."""
    columns = dict(zip(COLUMNS, (curve.frequencies.tolist(), curve.correlation.tolist()), strict=True))
    with write_beside(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False)


def read_curve(path: Path) -> ShellCurve:
    """Read what :func:`write_curve` wrote."""
    table = pd.read_csv(path)
    frequencies, correlation = (torch.tensor(table[name].to_numpy()) for name in COLUMNS)
    return ShellCurve(frequencies, correlation)


def _compare(settings: FscStage, stage: StageFolder) -> dict[str, Any]:
    curve = compute_fsc(read_map(settings.first), read_map(settings.second))
    write_curve(stage.path / "fsc.csv", curve)
    return {f"resolution at {threshold} (A)": find_crossing(curve, threshold) for threshold in (0.5, 0.143)}
