"""The stage `animate`."""

from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from deephemnma.core.landscape import Landscape
from deephemnma.io.landscape import read_landscape
from deephemnma.landscape.path import make_centroid_path, make_path
from deephemnma.pipeline.animation import check_movie, write_movie
from deephemnma.pipeline.deformation import displace_reference
from deephemnma.pipeline.landscape import LANDSCAPE_FILE
from deephemnma.pipeline.particles import find_file
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.animate import AnimateStage

NAME = "animation"


def run_animate(settings: AnimateStage, *, output: Path | str) -> Path:
    """Move the reference along a path through a landscape.

    Writes `animation.pdb` (mmCIF for large structures, or what `--format` names), one model a frame, and
    `animation.cxc`, which plays it in ChimeraX, coloured by how far residues move (`animation.defattr`).

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
    check_movie(settings.movie, path=settings.reference.reference)
    reference = load_reference(settings.reference)
    landscape = read_landscape(find_file(settings.landscape, LANDSCAPE_FILE))
    modes = reference.modes.select(landscape.mode_numbers)
    amplitudes = _make_amplitudes(settings, landscape, n_sites=modes.n_sites)
    deformation = settings.movie.deformation
    with track_progress("models", len(amplitudes)) as advance:
        frames = displace_reference(reference, amplitudes, modes=modes, options=deformation, advance=advance)
    files = write_movie(reference, frames, file=stage.path / NAME, options=settings.movie)
    farthest = (frames - frames[0]).square().sum(dim=-1).mean(dim=-1).sqrt().max()
    return {
        "models": f"{len(frames)}, {deformation.deformation}",
        "RMSD of the first model to the farthest (A)": float(farthest),
        "files": ", ".join(file.name for file in files),
    }


def _make_amplitudes(settings: AnimateStage, landscape: Landscape, *, n_sites: int) -> Float[Tensor, "frames modes"]:
    if settings.path == "groups":
        return make_centroid_path(landscape, n_frames=settings.n_frames)
    return make_path(
        landscape,
        axis=settings.axis,
        n_frames=settings.n_frames,
        quantiles=(settings.low, settings.high),
        reach=None if settings.path_rmsd is None else settings.path_rmsd * n_sites**0.5,
    )
