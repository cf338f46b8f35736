"""The stage `animate`."""

from pathlib import Path
from typing import Any

from deephemnma.io.landscape import read_landscape
from deephemnma.io.structure_writer import write_models
from deephemnma.landscape.path import make_centroid_path, make_path
from deephemnma.pipeline.landscape import LANDSCAPE_FILE
from deephemnma.pipeline.modes import choose_extension
from deephemnma.pipeline.particles import find_file
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.animate import AnimateStage


def run_animate(settings: AnimateStage, *, output: Path | str) -> Path:
    """Move the reference along a path through a landscape.

    Writes `animation.pdb` (mmCIF for large structures), one model a frame.

    Parameters
    ----------
    settings
        Molecule, landscape and path.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("animate", settings, output=output, body=_animate)


def _animate(settings: AnimateStage, stage: StageFolder) -> dict[str, Any]:
    reference = load_reference(settings.reference)
    landscape = read_landscape(find_file(settings.landscape, LANDSCAPE_FILE))
    modes = reference.modes.select(landscape.mode_numbers)
    if settings.path == "groups":
        amplitudes = make_centroid_path(landscape, n_frames=settings.n_frames)
    else:
        quantiles = (settings.low, settings.high)
        amplitudes = make_path(landscape, axis=settings.axis, n_frames=settings.n_frames, quantiles=quantiles)
    frames = modes.displace(reference.model.positions, amplitudes) + reference.model.center
    file = stage.path / f"animation{choose_extension(reference)}"
    write_models(file, reference.sites, frames)
    return {"file": str(file), "models": len(frames)}
