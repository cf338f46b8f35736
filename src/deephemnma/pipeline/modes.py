"""The stage `modes`."""

from pathlib import Path
from typing import Any

import torch

from deephemnma.io.atomic import write_beside
from deephemnma.io.reference import write_reference
from deephemnma.io.structure_writer import write_models
from deephemnma.modes.rigid import N_RIGID
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.proposal import PROPOSAL_FILE, write_proposal
from deephemnma.pipeline.reference import MODES_FILE, SITES_FILE, Reference, read_or_compute_modes
from deephemnma.pipeline.report.mode_figure import draw_mode_survey
from deephemnma.pipeline.report.mode_table import make_choice_table
from deephemnma.pipeline.report.table import format_table
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.pipeline.survey import ModeSurvey, make_survey_table, summarize_survey, survey_modes
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.stage.modes import AnimationOptions, ModesStage

TABLE, TEXT, PICTURE = "modes.csv", "modes.txt", "modes.png"
PICTURE_DPI = 110


def run_modes(settings: ModesStage, *, output: Path | str) -> Path:
    """Compute the normal modes of a structure or map, and propose which to estimate.

    Writes `modes.npz` (which every other stage takes as reference), what is known of each mode (`modes.csv`, the same
    as text and as the picture `modes.png`), the proposal (`proposal.json`), the sites (`sites.cif`) and a multi-model
    PDB (mmCIF for large structures) of each mode but the rigid ones.

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
    if reference.sites is not None:
        frame = reference.sites.positions[None]
        write_models(stage.path / SITES_FILE, reference.sites, frame)
    survey = survey_modes(reference, settings.choice)
    _write_survey(survey, settings.choice, stage.path)
    _write_animations(reference, settings.animation, stage.path)
    facts = {
        "sites": reference.model.n_sites,
        "modes": f"1-{reference.modes.n_modes} (1-6 are rigid)",
        "radius (A)": reference.model.radius,
    }
    return facts | summarize_survey(survey) | {"picture": str(stage.path / PICTURE)}


def _write_survey(survey: ModeSurvey, options: ChoiceOptions, folder: Path) -> None:
    table = make_survey_table(survey)
    write_proposal(folder / PROPOSAL_FILE, survey.proposal)
    with write_beside(folder / TABLE) as path:
        table.to_csv(path, index=False)
    with write_beside(folder / TEXT) as path:
        path.write_text(format_table(make_choice_table(table)) + "\n", encoding="utf8")
    figure = draw_mode_survey(survey, lowest_collectivity=options.lowest_collectivity)
    with write_beside(folder / PICTURE) as path:
        figure.savefig(path, dpi=PICTURE_DPI)


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
