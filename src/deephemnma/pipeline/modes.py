"""The stage `modes`."""

from pathlib import Path
from typing import Any

from deephemnma.core.error import InputError
from deephemnma.io.atomic import write_beside
from deephemnma.io.pseudoatom import write_pseudoatoms
from deephemnma.io.reference import holds_modes, write_reference
from deephemnma.io.structure_writer import write_models
from deephemnma.pipeline.animation import check_movie, write_mode_movies
from deephemnma.pipeline.basis import read_or_make_modes
from deephemnma.pipeline.known_motion import find_structure_options
from deephemnma.pipeline.localized import warn_of_localized
from deephemnma.pipeline.proposal import PROPOSAL_FILE, write_proposal
from deephemnma.pipeline.reference import MODES_FILE, PSEUDOATOM_FILE, SITES_FILE
from deephemnma.pipeline.report.mode_figure import draw_mode_survey
from deephemnma.pipeline.report.mode_table import make_choice_table
from deephemnma.pipeline.report.table import format_table
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.pipeline.survey import ModeSurvey, check_knowledge, make_survey_table, summarize_survey, survey_modes
from deephemnma.reference.gaussian_fit import Likeness
from deephemnma.reference.target import Approximation
from deephemnma.settings.basis import BasisOptions
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.stage.modes import ModesStage

TABLE, TEXT, PICTURE, FRAMES = "modes.csv", "modes.txt", "modes.png", "frames.csv"
PICTURE_DPI = 110


def run_modes(settings: ModesStage, *, output: Path | str) -> Path:
    """Compute the normal modes of a structure or map, and propose which to estimate.

    Writes `modes.npz` (which every other stage takes as reference), what is known of each mode (`modes.csv`, the same
    as text and as the picture `modes.png`), the proposal (`proposal.json`), the sites (`sites.cif`, or the pseudoatoms
    of a map, as Xmipp writes them, `sites.pdb`) and a multi-model
    PDB (mmCIF for large structures) of each mode but the rigid ones. For principal components also the amplitudes of
    the conformations that they are of (`frames.csv`).

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
    _check_cheaply(settings)
    reference, basis = read_or_make_modes(settings.reference, settings.molecule, settings.basis)
    warn_of_localized(reference.modes, reference.sites, lowest_collectivity=settings.choice.lowest_collectivity)
    write_reference(stage.path / MODES_FILE, reference.model, reference.modes)
    if reference.sites is not None:
        frame = reference.sites.positions[None]
        write_models(stage.path / SITES_FILE, reference.sites, frame)
    elif bool((reference.model.widths == reference.model.widths[0]).all()):
        write_pseudoatoms(stage.path / PSEUDOATOM_FILE, reference.model)
    structure = find_structure_options(settings.reference, settings.molecule.structure)
    survey = survey_modes(reference, settings.choice, structure=structure)
    _write_survey(survey, settings.choice, stage.path, more=basis.columns)
    if basis.frames is not None:
        with write_beside(stage.path / FRAMES) as path:
            basis.frames.to_csv(path, index=False)
    write_mode_movies(reference, settings.animation, folder=stage.path)
    facts = {
        "sites": reference.model.n_sites,
        **basis.facts,
        "radius (A)": reference.model.radius,
        **_describe_likeness(reference.molecule.likeness),
        **_describe_approximation(reference.molecule.approximation),
    }
    return facts | summarize_survey(survey) | {"picture": str(stage.path / PICTURE)}


def _check_cheaply(settings: ModesStage) -> None:
    """Raise for what can be known to be wrong before minutes are spent on the modes."""
    check_movie(settings.animation.movie, path=settings.reference)
    highest, computed = max(settings.animation.mode_numbers or (), default=0), settings.molecule.network.n_modes
    if highest > computed and settings.basis == BasisOptions() and not holds_modes(settings.reference):
        raise InputError(
            f"--animation-modes asks for mode {highest}, but {computed} modes are computed: give --n-modes {highest} "
            "or more."
        )
    check_knowledge(settings.choice, path=settings.reference)


def _write_survey(survey: ModeSurvey, options: ChoiceOptions, folder: Path, *, more: dict[str, list[float]]) -> None:
    table = make_survey_table(survey).assign(**more)
    write_proposal(folder / PROPOSAL_FILE, survey.proposal)
    with write_beside(folder / TABLE) as path:
        table.to_csv(path, index=False)
    with write_beside(folder / TEXT) as path:
        path.write_text(format_table(make_choice_table(table)) + "\n", encoding="utf8")
    figure = draw_mode_survey(survey, lowest_collectivity=options.lowest_collectivity)
    with write_beside(folder / PICTURE) as path:
        figure.savefig(path, dpi=PICTURE_DPI)


def _describe_likeness(likeness: Likeness | None) -> dict[str, str]:
    if likeness is None:
        return {}
    told = f"{likeness.after:.4f} ({likeness.before:.4f} before weights and widths were fitted)"
    return {f"correlation with all atoms to {likeness.resolution:g} A": told}


def _describe_approximation(approximation: Approximation | None) -> dict[str, str | float]:
    if approximation is None:
        return {}
    return {
        "error of the pseudoatoms (mean, of the density's range)": f"{100 * approximation.mean_error:.1f} %",
        "the same as relative L2 norm": f"{100 * approximation.relative_error:.1f} %",
        "correlation with the map": round(approximation.correlation, 4),
    }
