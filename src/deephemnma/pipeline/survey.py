"""What is known of each mode, so that a user can choose: the table, the proposal, and what they rest on."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import Basis
from deephemnma.core.residue import describe_structure
from deephemnma.io.motion import read_motion
from deephemnma.io.structure import read_structure
from deephemnma.modes.analysis import make_mode_table
from deephemnma.modes.choice import Proposal, propose_modes
from deephemnma.modes.fluctuation import (
    Agreement,
    compute_b_factor_agreement,
    compute_frequency_ratios,
    compute_variances,
    find_flexible,
)
from deephemnma.modes.motion import Explanation, Motion, explain_motion
from deephemnma.pipeline.known_motion import find_motion
from deephemnma.pipeline.observability import MODES_TABLE
from deephemnma.pipeline.proposal import format_numbers
from deephemnma.pipeline.reference import Reference, is_map
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.structure import StructureOptions


@dataclass(frozen=True)
class ModeSurvey:
    """All that is known of the modes of a reference.

    Attributes
    ----------
    reference
        With all modes.
    proposal
        Which of them to estimate.
    agreement
        With the B-factors; None where there are none.
    motion, explanation
        Towards a second structure or map, and what the modes have of it; None where none was given.
    seen
        Share of the images that show a mode, by number; empty where no observability was given.
    facts
        More for the summary.
    """

    reference: Reference
    proposal: Proposal
    agreement: Agreement | None
    motion: Motion | None
    explanation: Explanation | None
    seen: dict[int, float]
    facts: dict[str, Any]


def check_knowledge(options: ChoiceOptions, *, path: Path) -> None:
    """Raise if what `options` name cannot be read, or not be compared with the reference `path`, before it is made."""
    if options.towards is not None and is_map(path):
        raise InputError(
            f"--towards {options.towards} cannot be compared with the pseudoatoms of a map, which have no names: fit "
            "the modes into a map of the second state with `deephemnma fit`, and give its folder as --fit."
        )
    if options.towards is not None:
        read_structure(options.towards)
    if options.fit is not None:
        read_motion(options.fit)
    if options.observability is not None:
        read_seen(options.observability)


def survey_modes(
    reference: Reference, options: ChoiceOptions, *, structure: StructureOptions | None = None
) -> ModeSurvey:
    """Gather what can be known of the modes, and propose some.

    Parameters
    ----------
    reference
        With all modes.
    options
        What is known besides.
    structure
        How the sites were made from atoms; as by default if None.
    """
    facts: dict[str, Any] = {} if reference.sites is None else {"structure": describe_structure(reference.sites)}
    motion, told = find_motion(reference, options, structure=structure or StructureOptions())
    facts |= told
    seen = {} if options.observability is None else read_seen(options.observability)
    proposal = propose_modes(
        reference.modes,
        motion=motion,
        seen=seen,
        lowest_collectivity=options.lowest_collectivity,
        most_modes=options.most_modes,
    )
    b_factors = None if reference.sites is None else reference.sites.b_factors
    agreement = None if b_factors is None else compute_b_factor_agreement(reference.modes, b_factors)
    explanation = None if motion is None else explain_motion(reference.modes, motion)
    facts |= _describe_knowledge(reference, agreement, explanation, motion)
    return ModeSurvey(reference, proposal, agreement, motion, explanation, seen, facts)


def make_survey_table(survey: ModeSurvey) -> pd.DataFrame:
    """Return one row a mode; empty cells are NaN."""
    modes = survey.reference.modes
    variances = compute_variances(modes)
    frame = pd.DataFrame(make_mode_table(modes))
    if modes.basis != Basis.PRINCIPAL_COMPONENTS:
        frame["frequency_ratio"] = compute_frequency_ratios(modes).numpy()
    frame["fluctuation_share"] = (variances / variances.sum()).numpy()
    if survey.agreement is not None:
        frame["b_factor_correlation"] = survey.agreement.single.numpy()
        frame["b_factor_correlation_cumulative"] = survey.agreement.together.numpy()
    if survey.explanation is not None:
        frame["overlap"] = survey.explanation.overlaps.numpy()
        frame["cumulative_overlap"] = survey.explanation.cumulative.numpy()
        frame["amplitude_towards_angstrom"] = survey.explanation.amplitudes.numpy()
        frame.loc[~_find_asked(survey), ["overlap", "cumulative_overlap", "amplitude_towards_angstrom"]] = math.nan
    if survey.seen:
        frame["seen"] = [survey.seen.get(number, torch.nan) for number in modes.numbers]
    frame["proposed"] = [number in survey.proposal.numbers for number in modes.numbers]
    flexible = find_flexible(modes).tolist()
    frame["remark"] = [
        (survey.proposal.left_out.get(number) or ("" if asked else "not fitted")) if free else "rigid"
        for number, free, asked in zip(modes.numbers, flexible, _find_asked(survey), strict=True)
    ]
    return frame


def _find_asked(survey: ModeSurvey) -> np.ndarray:
    """Mark the modes of which the known motion, if any, can tell: of a fit, rigid ones and those that were fitted."""
    modes, motion = survey.reference.modes, survey.motion
    if motion is None or motion.numbers is None:
        return np.ones(modes.n_modes, dtype=bool)
    return ~find_flexible(modes).numpy() | np.isin(modes.numbers, motion.numbers)


def summarize_survey(survey: ModeSurvey) -> dict[str, Any]:
    """Return what to tell the user, name by name; the proposal last."""
    left_out: dict[str, list[int]] = {}
    for number, why in survey.proposal.left_out.items():
        left_out.setdefault(why, []).append(number)
    told = "; ".join(f"{format_numbers(tuple(numbers))} ({why})" for why, numbers in left_out.items())
    return (
        survey.facts
        | ({"left out": told} if told else {})
        | {"proposal": format_numbers(survey.proposal.numbers) or "none", "because": survey.proposal.reason}
    )


def read_seen(folder: Path) -> dict[int, float]:
    """Return the share of the images that show each mode, as `deephemnma observability` found it."""
    path = folder / MODES_TABLE if folder.is_dir() else folder
    if not path.exists():
        raise InputError(
            f"--observability wants the folder that `deephemnma observability` wrote, but {path} is absent."
        )
    table = pd.read_parquet(path)
    return {int(row.mode): float(row.seen) for row in table.itertuples()}


def measure_residue_displacements(reference: Reference, residues: Tensor) -> Float[Tensor, "modes residues"]:
    """Return how far each residue moves (root mean square of its sites, A) in each mode at an RMSD of 1 A."""
    square = reference.modes.vectors.double().square().sum(-1) * reference.model.n_sites
    return average_by_residue(square, residues).sqrt()


def average_by_residue(values: Float[Tensor, "rows sites"], residues: Tensor) -> Float[Tensor, "rows residues"]:
    """Return the mean of `values` over the sites of each residue, numbered from 0."""
    count = int(residues.max()) + 1
    total = torch.zeros(len(values), count, dtype=values.dtype).index_add_(1, residues, values)
    return total / torch.bincount(residues, minlength=count)


def _describe_knowledge(
    reference: Reference, agreement: Agreement | None, explanation: Explanation | None, motion: Motion | None
) -> dict[str, str | float]:
    facts: dict[str, str | float] = {}
    if explanation is not None:
        row = int(explanation.overlaps.abs().argmax())
        facts["largest overlap"] = (
            f"{float(explanation.overlaps[row].abs()):.3f}, mode {reference.modes.numbers[row]}; "
            f"all modes together {float(explanation.cumulative[-1]):.3f}"
        )
        if motion.numbers is not None:
            facts["largest overlap"] += f" of the motion {motion.source} (others were not fitted)"
    if agreement is not None:
        facts["B-factor correlation of all modes"] = float(agreement.together[-1])
    elif reference.sites is not None:
        facts["B-factor correlation of all modes"] = "none, for the file has no B-factors"
    return facts
