"""The stage `preflight`."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deephemnma.alignment.agreement import Difference
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.distributed.device import choose_device
from deephemnma.io.atomic import write_beside, write_json
from deephemnma.io.file_kind import find_suffix
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import ParticleStack
from deephemnma.pipeline.particles import load_estimates, load_particles, match_estimates
from deephemnma.pipeline.preflight import advice, forecast, scale
from deephemnma.pipeline.preflight.box import compute_diameter, judge_box
from deephemnma.pipeline.preflight.contrast import compare_signs, compute_profile, judge_contrast
from deephemnma.pipeline.preflight.ctf import judge_ctf, search_ctfs, try_ctfs
from deephemnma.pipeline.preflight.finding import Finding, conclude, format_findings
from deephemnma.pipeline.preflight.neighbour import judge_neighbours
from deephemnma.pipeline.preflight.optics import judge_optics
from deephemnma.pipeline.preflight.picture import Evidence, draw_preflight
from deephemnma.pipeline.preflight.pose import PoseTrial, try_poses
from deephemnma.pipeline.preflight.pose_finding import (
    CORRECTED_FILE,
    judge_convention,
    judge_frame,
    wants_correction,
)
from deephemnma.pipeline.preflight.probe import Probe, make_probe
from deephemnma.pipeline.preflight.quality import Alignment, align_sample, judge_signal, judge_statuses
from deephemnma.pipeline.preflight.sample import Subset, crop_sample, draw_sample
from deephemnma.pipeline.preflight.scan import Scan, judge_bad, judge_repeats, scan_images
from deephemnma.pipeline.progress import track_progress
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.stage import StageFolder, run_stage
from deephemnma.settings.stage.preflight import PreflightStage

TEXT, TABLE, PICTURE = "preflight.txt", "preflight.json", "preflight.png"
PICTURE_DPI = 120
PASSES = 3
"""Times that the sample is aligned at the most."""


def run_preflight(settings: PreflightStage, *, output: Path | str) -> Path:
    """Look at a sample of the particles for what would spoil hours of work, and foretell what the work will take.

    Writes `preflight.txt` (a finding a line and the verdict), `preflight.json` (the same for machines),
    `preflight.png`, and where given poses are to be read in another way, or lie in another frame, `corrected.star`: all
    particles with the poses that suit the reference.

    Parameters
    ----------
    settings
        Particles, molecule, and poses if there are any.
    output
        Folder; see :func:`~deephemnma.pipeline.stage.run_stage`.

    Returns
    -------
    folder : Path
        `output`.
    """
    return run_stage("preflight", settings, output=output, body=_look)


@dataclass(frozen=True)
class _Given:
    """What the user gave, read."""

    settings: PreflightStage
    reference: Reference
    particles: ParticleStack
    poses: Poses | None
    amplitudes: Tensor | None
    device: torch.device


def _look(settings: PreflightStage, stage: StageFolder) -> dict[str, Any]:
    particles = load_particles(settings.particles, datadir=settings.datadir)
    poses, amplitudes = _load_poses(settings, particles)
    reference = load_reference(settings.reference)
    given = _Given(settings, reference, particles, poses, amplitudes, choose_device(settings.device))
    scanned = scan_images(particles, count=settings.scanned_images, seed=settings.seed)
    findings = _judge_file(given, scanned)
    ids = draw_sample(len(particles), settings.sample, seed=settings.seed)
    probe = make_probe(
        reference.model,
        reference.modes,
        Subset(particles, ids),
        shift_range=settings.search.shift_range,
        device=given.device,
    )
    if probe is None:
        raise InputError(
            f"None of the {len(ids)} images of the sample could be used: all hold NaN or are flat. Check the stack "
            f"(the first is {particles.names[int(ids[0])]})."
        )
    ids = ids[probe.rows]
    seen, evidence = _judge_images(given, probe, ids)
    findings = [*findings, *seen]
    costs, extra, commands = _foretell(given, evidence, ids, findings, scanned=scanned, folder=stage.path)
    findings += extra
    text = f"{format_findings(findings, commands=commands)}\n\n{advice.format_costs(costs)}\n"
    with write_beside(stage.path / TEXT) as path:
        path.write_text(text, encoding="utf8")
    rows = [
        {"name": each.name, "verdict": str(each.verdict), "sentence": each.sentence, **each.figures}
        for each in findings
    ]
    write_json(stage.path / TABLE, {"verdict": conclude(findings), "findings": rows, "commands": commands})
    with write_beside(stage.path / PICTURE) as path:
        draw_preflight(evidence, findings).savefig(path, dpi=PICTURE_DPI)
    return {"images looked at": len(ids), "verdict": conclude(findings), "picture": str(stage.path / PICTURE)}


def _load_poses(settings: PreflightStage, particles: ParticleStack) -> tuple[Poses | None, Tensor | None]:
    """Return the poses to try, those of `--estimates` or the particles' own, with amplitudes where they have them."""
    if settings.estimates is None:
        return particles.poses, None
    numbers = settings.reference.mode_numbers
    named = numbers if find_suffix(settings.estimates) == ".xmd" else None
    found = match_estimates(
        load_estimates(settings.estimates, mode_numbers=named, pixel_size=particles.pixel_size), particles.names
    )
    fits = bool(found.mode_numbers) and found.mode_numbers == numbers
    return found.poses, found.amplitudes if fits else None


def _judge_file(given: _Given, scanned: Scan) -> list[Finding]:
    """Return what the file and its images tell without the reference's help."""
    model, particles = given.reference.model, given.particles
    near = judge_neighbours(
        particles, poses=given.poses, diameter=compute_diameter(model), closest=given.settings.closest
    )
    size = {"box_size": particles.box_size, "pixel_size": particles.pixel_size}
    scanned_findings = [judge_bad(scanned), judge_repeats(scanned)] if scanned.n_looked else []
    return [
        *scanned_findings,
        *([near] if near else []),
        judge_optics(particles.optics),
        judge_box(model, optics=particles.optics, poses=given.poses, **size),
    ]


def _judge_images(given: _Given, probe: Probe, ids: Tensor) -> tuple[list[Finding], Evidence]:
    """Compare the sample with the reference: contrast, scale, poses, CTF, junk, in the order in which they depend."""
    profile = compute_profile(probe.images[torch.arange(len(probe.images))], probe.images.pixel_size)
    with track_progress("sizes and signs", 1) as advance:
        scans = scale.scan(probe)
        advance(1)
    sign = compare_signs(profile, *scans, radius=probe.gyration_radius)
    if sign.is_dark:
        probe, scans = probe.negate(), scans[::-1]
    trial = _try_given_poses(given, probe, ids)
    coarse, coarse_error = scans[0].best, scale.compute_scan_error(scans[0])
    if trial is not None and trial.is_credible and trial.chosen.registration is not None:
        coarse, coarse_error = trial.chosen.registration.frame.scale, trial.chosen.registration.sd_scale
    magnified = scale.choose_start(coarse, coarse_error)
    probe, found, fine = _align(given, probe, trial, ids, magnified=magnified)
    measured = scale.Scale(coarse, coarse_error, fine)
    posed = (
        [] if trial is None else [judge_convention(trial), judge_frame(trial, gyration_radius=probe.gyration_radius)]
    )
    findings = [
        judge_contrast(sign),
        scale.judge_scale(
            measured,
            pixel_size=given.particles.pixel_size,
            resolution=found.observations.band.resolution,
            gyration_radius=probe.gyration_radius,
        ),
        judge_ctf(try_ctfs(probe, found.observations.band, found.projections), search_ctfs(probe)),
        *(finding for finding in posed if finding is not None),
        judge_statuses(found),
        judge_signal(found),
    ]
    return findings, Evidence(probe, profile, scans, measured, trial, found, is_dark=sign.is_dark)


def _align(
    given: _Given, probe: Probe, trial: PoseTrial | None, ids: Tensor, *, magnified: float
) -> tuple[Probe, Alignment, Difference | None]:
    """Align the sample, again where the particle turns out to be of another size; return the size as well."""
    poses = None
    if trial is not None and trial.is_credible:
        poses = trial.chosen.apply_to_poses(given.poses.select(ids), pixel_size=trial.pixel_size)
    for last in (*[False] * (PASSES - 1), True):
        sized = probe.magnify(magnified)
        found = align_sample(sized, search=given.settings.search, poses=poses, seed=given.settings.seed)
        rows = found.plain.nonzero()[:, 0].to(given.device)
        seen, state = found.observations.select(rows), found.state.select(rows)
        fine = scale.measure_scale(seen, sized.model, sized.modes, state, magnified=magnified)
        if last or fine is None or abs(fine.mean / magnified - 1) < scale.NOTE:
            break
        magnified = fine.mean
    return sized, found, fine


def _try_given_poses(given: _Given, probe: Probe, ids: Tensor) -> PoseTrial | None:
    if given.poses is None:
        return None
    amplitudes = None if given.amplitudes is None else given.amplitudes[ids]
    state = probe.make_state(given.poses.select(ids), amplitudes)
    with track_progress("readings of the poses", 1) as advance:
        trial = try_poses(probe, state, pixel_size=given.particles.pixel_size, seed=given.settings.seed)
        advance(1)
    return trial


def _foretell(
    given: _Given, evidence: Evidence, ids: Tensor, findings: list[Finding], *, scanned: Scan, folder: Path
) -> tuple[list[forecast.StageCost], list[Finding], list[str]]:
    """Time the stages, and write the next commands."""
    settings, particles = given.settings, given.particles
    found, trial = evidence.found, evidence.trial
    formation, timed = _make_forecaster(given, evidence, ids)
    read = scanned.seconds / scanned.n_looked if scanned.n_looked else 1e-3
    with track_progress("what the stages will take", 1) as advance:
        costs, plan = forecast.forecast(timed, particles, read_seconds=read)
        advance(1)
    cost = advice.judge_costs(costs, plan=plan, free_disk=shutil.disk_usage(folder).free)
    size = {"box_size": particles.box_size, "pixel_size": particles.pixel_size}
    reached, _ = advice.find_resolution(
        given.reference.model,
        given.reference.modes,
        optics=particles.optics,
        formation=formation,
        measured_to=found.observations.band.resolution,
        **size,
    )
    corrected = poses = None
    if trial is not None and trial.is_credible:
        poses = str(settings.estimates or settings.particles)
        if wants_correction(findings, trial):
            corrected = poses = str(_write_corrected(given, trial, folder))
    commands = advice.make_commands(
        settings,
        pixel_size=advice.choose_pixel(reached, **size),
        is_dark=evidence.is_dark,
        poses=poses,
        corrected=corrected,
    )
    return costs, [cost], commands


def _make_forecaster(given: _Given, evidence: Evidence, ids: Tensor) -> tuple[Any, forecast.Forecaster]:
    """Return contrast and noise at full size, and what is timed: a few good images as they will be aligned."""
    found, probe = evidence.found, evidence.probe
    good = found.good.nonzero()[:, 0]
    rows = (good if len(good) else torch.arange(len(ids)))[: forecast.TIMED]
    sign = (-1.0 if evidence.is_dark else 1.0) / probe.grey
    subset = Subset(given.particles, ids, sign=sign)
    images, _, grey = crop_sample(Subset(given.particles, ids[rows], sign=sign), box_size=given.particles.box_size)
    images = images.scale(grey)
    radius = given.reference.model.radius + given.settings.search.shift_range
    formation = forecast.scale_formation(found.formation, subset, box_size=probe.images.box_size, radius=radius)
    timed = forecast.Forecaster(
        given.reference,
        images,
        found.estimates.select(rows),
        formation,
        given.settings.search,
        len(given.particles),
        given.settings.workers,
        given.device,
    )
    return formation, timed


def _write_corrected(given: _Given, trial: PoseTrial, folder: Path) -> Path:
    """Write all particles with the poses that suit the reference."""
    particles = given.particles
    poses = trial.chosen.apply_to_poses(given.poses, pixel_size=trial.pixel_size)
    none = torch.zeros(len(poses), 0, dtype=torch.float64)
    estimates = make_estimates(
        names=particles.names, poses=poses, amplitudes=none, mode_numbers=(), status=Status.GIVEN
    )
    path = folder / CORRECTED_FILE
    write_particle_star(path, table=particles.table, optics_table=particles.optics_table, estimates=estimates)
    return path
