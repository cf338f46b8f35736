"""The stage `modes`."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from deephemnma.io.atomic import write_beside
from deephemnma.io.reference import write_reference
from deephemnma.io.structure_writer import write_models
from deephemnma.modes.analysis import make_mode_table
from deephemnma.modes.rigid import N_RIGID
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import MODES_FILE, SITES_FILE, Reference, read_or_compute_modes
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.modes import AnimationOptions, ModesStage


def run_modes(settings: ModesStage, *, output: Path | str) -> Path:
    """Compute the normal modes of a structure or map.

    Writes `modes.npz` (which every other stage takes as reference), `modes.csv`, the sites (`sites.cif`) and a
    multi-model PDB (mmCIF for large structures) of each mode but the rigid ones.

    Parameters
    ----------
    settings
        What to compute, and from which file.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("modes", settings, output=output, body=_compute)


def _compute(settings: ModesStage, stage: StageFolder) -> dict[str, Any]:
    reference = read_or_compute_modes(settings.reference, settings.molecule)
    write_reference(stage.path / MODES_FILE, reference.model, reference.modes)
    with write_beside(stage.path / "modes.csv") as path:
        pd.DataFrame(make_mode_table(reference.modes)).to_csv(path, index=False)
    if reference.sites is not None:
        frame = reference.sites.positions[None]
        write_models(stage.path / SITES_FILE, reference.sites, frame)
    _write_animations(reference, settings.animation, stage.path)
    return {
        "sites": reference.model.n_sites,
        "modes": f"1-{reference.modes.n_modes} (1-6 are rigid)",
        "radius (A)": reference.model.radius,
    }


def _write_animations(reference: Reference, options: AnimationOptions, folder: Path) -> None:
    model, modes = reference.model, reference.modes
    amplitude = options.animation_rmsd * model.n_sites**0.5
    steps = torch.linspace(-amplitude, amplitude, options.animation_frames, dtype=model.positions.dtype)
    numbers = [number for number in modes.numbers if number > N_RIGID]
    extension = choose_extension(reference)
    with track_progress("modes as models", len(numbers)) as advance:
        for number in numbers:
            frames = modes.select([number]).displace(model.positions, steps[:, None]) + model.center
            write_models(folder / f"mode_{number:02d}{extension}", reference.sites, frames)
            advance(1)


def choose_extension(reference: Reference) -> str:
    """Return ".pdb", or ".cif" where PDB's columns are too narrow for the molecule."""
    chains = [] if reference.sites is None else set(reference.sites.chains.tolist())
    fits = reference.model.n_sites < 100_000 and all(len(chain) <= 2 for chain in chains)
    return ".pdb" if fits else ".cif"
