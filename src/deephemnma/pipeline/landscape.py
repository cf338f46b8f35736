"""The stage `landscape`."""

from pathlib import Path
from typing import Any

from deephemnma.core.error import InputError
from deephemnma.core.estimates import USABLE, Estimates, concatenate_estimates
from deephemnma.io.landscape import write_landscape
from deephemnma.landscape.group import make_groups
from deephemnma.landscape.outlier import find_outliers
from deephemnma.landscape.reduction import make_landscape
from deephemnma.pipeline.particles import load_estimates
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.landscape import LandscapeStage

LANDSCAPE_FILE = "landscape.parquet"


def run_landscape(settings: LandscapeStage, *, output: Path | str) -> Path:
    """Lay out the conformations in a space of few axes, and group them.

    Outliers and images of any status but converged, predicted or given are left out. Writes `landscape.parquet`.

    Parameters
    ----------
    settings
        Tables of estimates, axes and groups.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("landscape", settings, output=output, body=_lay_out)


def _lay_out(settings: LandscapeStage, stage: StageFolder) -> dict[str, Any]:
    sets = [load_estimates(path) for path in settings.estimates]
    different = [part for part in sets if part.mode_numbers != sets[0].mode_numbers]
    if different:
        raise InputError(
            f"--estimates must be of the same modes, but {sets[0].mode_numbers} and {different[0].mode_numbers} came."
        )
    estimates = concatenate_estimates(sets)
    kept = _select_shown(estimates, threshold=settings.landscape.outlier_threshold)
    landscape = make_landscape(kept, n_axes=settings.landscape.n_axes)
    landscape = make_groups(landscape, kept, settings=settings.landscape.groups)
    write_landscape(stage.path / LANDSCAPE_FILE, landscape)
    shares = ", ".join(f"{share:.0%}" for share in landscape.explained.tolist())
    return {
        "images": len(landscape.names),
        "left out": len(estimates) - len(landscape.names),
        "variance along the axes": shares,
        "groups": int(landscape.groups.max()) + 1,
    }


def _select_shown(estimates: Estimates, *, threshold: float) -> Estimates:
    kept = estimates.select_status(*USABLE)
    if len(kept) == 0:
        raise InputError(
            f"None of the {len(estimates)} estimates converged: look at `status` and `score` in their table first."
        )
    if kept.n_modes == 0:
        raise InputError("The estimates are rigid (no modes), so there is no landscape: estimate with --modes.")
    return kept.select((~find_outliers(kept.amplitudes, threshold=threshold)).nonzero()[:, 0])
