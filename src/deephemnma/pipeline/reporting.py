"""The stage `report`: gathers what the stages of a run wrote."""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.bound import compute_bound
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, concatenate_estimates
from deephemnma.io.atomic import write_beside
from deephemnma.io.density import read_map
from deephemnma.io.landscape import read_landscape
from deephemnma.io.table import read_estimates
from deephemnma.metrics.summary import FailureRule
from deephemnma.network.training import LOSSES_NAME
from deephemnma.pipeline.formation import SIMULATION_FILE, read_formation
from deephemnma.pipeline.fsc import read_curve
from deephemnma.pipeline.landscape import LANDSCAPE_FILE
from deephemnma.pipeline.manifest import Manifest, read_manifest
from deephemnma.pipeline.modes import PICTURE as MODES_PICTURE
from deephemnma.pipeline.modes import TABLE as MODES_CSV
from deephemnma.pipeline.observability import MODES_TABLE, PICTURE
from deephemnma.pipeline.particles import ESTIMATES_FILE, PARTICLES_FILE, TRUTH_FILE, load_particles
from deephemnma.pipeline.proposal import PROPOSAL_FILE, format_numbers, read_proposal
from deephemnma.pipeline.reconstruct import GROUPS_FILE, HALVES_FSC, MAP_FILE, MODEL_FSC
from deephemnma.pipeline.reference import Reference, read_or_compute_modes
from deephemnma.pipeline.report.data import (
    WITHIN_REACH,
    Comparison,
    GroupMap,
    ModeChoice,
    ReportData,
    StageCost,
    ViewSurvey,
    make_comparison,
)
from deephemnma.pipeline.report.page import write_report
from deephemnma.pipeline.report.table import format_error_table
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.build import make_settings
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.stage.report import ReportStage

REPORT_FILE, TABLES_FILE = "report.html", "tables.txt"


@dataclass(frozen=True, eq=False)
class _Done:
    """A finished stage."""

    folder: Path
    manifest: Manifest

    @property
    def label(self) -> str:
        """Name of its folder, without the number a project gives it."""
        number, _, name = self.folder.name.partition("_")
        return (name if number.isdigit() and name else self.folder.name).replace("_", " ")


@dataclass(frozen=True)
class _Truth:
    """What the images of a simulation show, and the bound on what can be found in them."""

    estimates: Estimates
    bound: Float[Tensor, "images parameters parameters"]


def run_report(settings: ReportStage, *, output: Path | str) -> Path:
    """Show what a run found and what it cost.

    Writes `report.html` (one file, no network needed) and, where the truth is known, `tables.txt`.

    Parameters
    ----------
    settings
        The stages to tell of.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("report", settings, output=output, body=_report)


def _report(settings: ReportStage, stage: StageFolder) -> dict[str, Any]:
    done = [_read_done(folder) for folder in settings.stages]
    reference = _find_reference(done)
    found = {
        each: read_estimates(each.folder / ESTIMATES_FILE) for each in _pick(done, "estimate", "predict", "refine")
    }
    truths = {each.folder: _read_truth(each, reference) for each in _pick(done, "simulate")}
    comparisons = _compare(found, truths, reference)
    data = ReportData(
        title=settings.title,
        facts=_collect_facts(done, reference),
        estimates={each.label: estimates for each, estimates in found.items()},
        truth=_join_truth(truths),
        comparisons=comparisons,
        beside_paper=settings.beside_paper,
        training_log=next((pd.read_csv(each.folder / LOSSES_NAME) for each in _pick(done, "train")), None),
        landscape=next((read_landscape(each.folder / LANDSCAPE_FILE) for each in _pick(done, "landscape")), None),
        group_maps=tuple(part for each in _pick(done, "reconstruct") for part in _read_maps(each.folder)),
        costs=tuple(_make_cost(each) for each in done),
        remarks=_collect_remarks(done),
        choice=next((_read_choice(each.folder) for each in _pick(done, "modes")), None),
        survey=next((_read_survey(each.folder) for each in _pick(done, "observability")), None),
    )
    write_report(stage.path / REPORT_FILE, data)
    if comparisons:
        with write_beside(stage.path / TABLES_FILE) as path:
            path.write_text(format_error_table(comparisons, beside_paper=settings.beside_paper) + "\n", encoding="utf8")
    return {"report": str(stage.path / REPORT_FILE)}


def _read_done(folder: Path) -> _Done:
    manifest = read_manifest(folder)
    if manifest is None or manifest.status != "done":
        raise InputError(f"{folder} is no folder of a finished stage: finish it first, or leave it out of --stages.")
    return _Done(folder, manifest)


def _pick(done: list[_Done], *stages: str) -> list[_Done]:
    return [each for each in done if each.manifest.stage in stages]


def _find_reference(done: list[_Done]) -> Reference:
    """Return the molecule of the first stage that names one."""
    for each in done:
        if each.manifest.stage == "modes":
            return read_or_compute_modes(each.folder, MoleculeOptions())
        options = each.manifest.settings.get("reference")
        if isinstance(options, dict):
            molecule = options.get("molecule", options.get("network", {}))  # its name before there were groups of them
            return read_or_compute_modes(
                Path(options["reference"]),
                make_settings(MoleculeOptions, molecule, resolve_path=Path, where=f"{each.folder}, reference"),
            )
    raise InputError("--stages name no stage that knows the reference: add the folder of `modes` or `estimate`.")


def _read_truth(simulation: _Done, reference: Reference) -> _Truth:
    folder = simulation.folder
    truth = read_estimates(folder / TRUTH_FILE)
    bound = compute_bound(
        reference.model,
        reference.modes.select(truth.mode_numbers),
        truth.poses,
        truth.amplitudes,
        optics=load_particles(folder / PARTICLES_FILE).optics,
        formation=read_formation(folder / SIMULATION_FILE),
    )
    return _Truth(truth, bound)


def _compare(found: dict[_Done, Estimates], truths: dict[Path, _Truth], reference: Reference) -> tuple[Comparison, ...]:
    """Compare every set with the truth, and any two sets that share images."""
    sites = {"n_sites": reference.model.n_sites, "positions": reference.model.positions}
    against_truth = [
        make_comparison(
            f"{each.label} against truth",
            estimates,
            truth.estimates,
            bound=truth.bound,
            rule=_choose_rule(each),
            **sites,
        )
        for each, estimates in found.items()
        for truth in truths.values()
        if _share_images(estimates, truth.estimates)
    ]
    against_each_other = [
        make_comparison(
            f"{first.label} against {second.label}",
            found[first],
            found[second],
            rule=_choose_rule(first, second),
            **sites,
        )
        for first, second in combinations(found, 2)
        if _share_images(found[first], found[second])
    ]
    return (*against_truth, *against_each_other)


def _choose_rule(*stages: _Done) -> FailureRule | None:
    """Return when an image counts as failed: a prediction need only lie within reach of the refinement."""
    return WITHIN_REACH if any(each.manifest.stage == "predict" for each in stages) else None


def _share_images(first: Estimates, second: Estimates) -> bool:
    return first.mode_numbers == second.mode_numbers and not set(first.names).isdisjoint(second.names)


def _join_truth(truths: dict[Path, _Truth]) -> Estimates | None:
    return concatenate_estimates([truth.estimates for truth in truths.values()]) if truths else None


def _collect_facts(done: list[_Done], reference: Reference) -> dict[str, str]:
    facts = {"reference": _describe(reference)}
    for each in _pick(done, "simulate"):
        facts[each.label] = _describe_images(each.manifest.settings)
    for each in _pick(done, "estimate", "train", "predict", "refine", "landscape", "reconstruct"):
        facts[each.label] = ", ".join(f"{name} {_show(value)}" for name, value in each.manifest.summary.items())
    last = done[-1].manifest
    commit = f", commit {last.commit}" if last.commit else ""
    return facts | {"made by": f"deephemnma {last.version}{commit} on {last.n_cores} cores, Python {last.python}"}


def _describe_images(settings: dict[str, Any]) -> str:
    image = settings["image"]
    finer = image["oversampling"]
    grid = f" on a grid {finer} times finer, then cropped" if finer > 1 else ""
    return (
        f"{settings['count']:,} simulated images of {image['box_size']}² pixels of {image['pixel_size']:g} Å, "
        f"{image['defocus_um']:g} µm underfocus, SNR {image['snr']:g}{grid}"
    )


def _describe(reference: Reference) -> str:
    source = "pseudoatoms of a map" if reference.sites is None else "atomic model"
    return f"{source}, {reference.model.n_sites:,} sites, radius {reference.model.radius:.0f} Å"


def _show(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _read_maps(folder: Path) -> list[GroupMap]:
    return [
        GroupMap(
            number=int(row.group) - 1,
            n_images=int(row.images),
            density=read_map(folder / row.folder / MAP_FILE),
            halves=read_curve(folder / row.folder / HALVES_FSC),
            model=read_curve(folder / row.folder / MODEL_FSC),
        )
        for row in pd.read_csv(folder / GROUPS_FILE).itertuples()
    ]


def _read_choice(folder: Path) -> ModeChoice:
    proposal = read_proposal(folder / PROPOSAL_FILE)
    proposed = f"modes {format_numbers(proposal.numbers)}" if proposal.numbers else "none"
    reason = f"{proposed}, {proposal.reason}"
    return ModeChoice(pd.read_csv(folder / MODES_CSV), (folder / MODES_PICTURE).read_bytes(), reason)


def _read_survey(folder: Path) -> ViewSurvey:
    return ViewSurvey(pd.read_parquet(folder / MODES_TABLE), (folder / PICTURE).read_bytes())


def _make_cost(each: _Done) -> StageCost:
    manifest = each.manifest
    return StageCost(each.label, manifest.wall_seconds, manifest.cpu_seconds, manifest.summary.get("images"))


def _collect_remarks(done: list[_Done]) -> tuple[str, ...]:
    remarks = []
    for each in _pick(done, "refine"):
        share = each.manifest.summary.get("share sent to the search")
        if share is not None:
            remarks.append(
                f"{each.label}: {share:.1%} of the images were rejected after local refinement and went through the "
                "search from no prior knowledge."
            )
    return tuple(remarks)
