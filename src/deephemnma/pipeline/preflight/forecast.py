"""What the stages will take on this machine: measured on a few images, with the settings that are to be used."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.particle import ImageSource
from deephemnma.distributed.device import choose_workers, count_cores, measure_free_memory
from deephemnma.imaging.noise_estimation import estimate_noise
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.network.prediction import predict_estimates
from deephemnma.network.training import train_network
from deephemnma.pipeline.memory import plan_alignment
from deephemnma.pipeline.preflight.sample import HeldImages
from deephemnma.pipeline.reference import Reference
from deephemnma.reconstruction.back_projection import back_project
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.reconstruct import ReconstructSettings
from deephemnma.settings.refine import RefineSettings
from deephemnma.settings.train import TrainSettings

TIMED = 8
"""Images that are timed."""
SHOWN = 4
"""Batches shown to a network that is timed."""
ROW_BYTES = 400
"""Of an image in a table, beside the covariance."""
GROUPS = 5
LANDSCAPE_SECONDS = 2e-5
"""An image; plus a few for drawing."""


@dataclass(frozen=True)
class StageCost:
    """What a stage will take.

    Attributes
    ----------
    stage
        Its command.
    seconds
        Wall clock.
    memory, disk
        Bytes: of all its processes at the peak; of its results. None where nothing is known.
    basis
        Where the figures come from.
    """

    stage: str
    seconds: float
    memory: float | None
    disk: float
    basis: str


@dataclass(frozen=True)
class Forecaster:
    """What is timed.

    Attributes
    ----------
    reference
        The molecule.
    source
        A few good images at full size, white protein.
    estimates
        Of these.
    formation
        Of these, at full size.
    search
        As `estimate` will be run.
    n_images
        Of the whole set.
    workers
        As will be given; 0 for one a core.
    device
        That computes.
    """

    reference: Reference
    source: HeldImages
    estimates: Estimates
    formation: ImageFormation
    search: EstimateSettings
    n_images: int
    workers: int
    device: torch.device

    def clock(self, work: Callable[[], object]) -> float:
        """Return the seconds that `work` takes one worker: of processor time on a CPU, for it shares the cores."""
        read = time.process_time if self.device.type == "cpu" else time.perf_counter
        started = read()
        work()
        return read() - started


def scale_formation(formation: ImageFormation, source: ImageSource, *, box_size: int, radius: float) -> ImageFormation:
    """Return contrast and noise at full size, from those of images cropped to `box_size`."""
    noise = estimate_noise(source, radius=radius)
    factor = (source.box_size / box_size) ** 2  # a crop keeps grey values, so the sum over its fewer pixels shrinks
    return replace(
        formation, contrast=formation.contrast * factor, contrast_spread=formation.contrast_spread * factor, noise=noise
    )


def forecast(timed: Forecaster, particles: ImageSource, *, read_seconds: float) -> tuple[list[StageCost], str]:
    """Return the cost of each stage, and the plan of the alignment in words (with the batch size, say).

    Parameters
    ----------
    timed
        What to time.
    particles
        The whole set.
    read_seconds
        That an image takes to be read.
    """
    box, count, n_modes = particles.box_size, timed.n_images, timed.reference.modes.n_modes
    stack = 4.0 * count * box**2
    table = float(count * (ROW_BYTES + 8 * (n_modes + 6) ** 2))
    prepare = StageCost("prepare", count * 2 * read_seconds, None, stack, "reading measured; as large as now")
    try:
        plan = plan_alignment(
            timed.reference, particles, search=timed.search, workers=timed.workers, block_size=32, device=timed.device
        )
    except InputError as error:
        return [prepare], str(error)
    memory = float(plan.n_workers * plan.a_worker)
    costs = [prepare, *_time_alignment(timed, memory=memory, table=table, n_workers=plan.n_workers)]
    costs[2:2] = _time_network(timed, table=table)
    costs.append(StageCost("landscape", 5 + LANDSCAPE_SECONDS * count, None, table / 4, "by rule"))
    costs.append(_time_reconstruction(timed))
    return costs, plan.describe(measure_free_memory(timed.device))


def _time_alignment(timed: Forecaster, *, memory: float, table: float, n_workers: int) -> list[StageCost]:
    reference, ids = timed.reference, torch.arange(len(timed.source))
    parts = {"settings": timed.search, "formation": timed.formation, "device": timed.device}
    made = []
    start = timed.clock(
        lambda: made.append(make_search_aligner(reference.model, reference.modes, timed.source, **parts))
    )
    each = timed.clock(lambda: align_images(made[0], timed.source, ids)) / len(ids)
    pilots = min(timed.search.pilot_images, timed.n_images)
    work = pilots * each + timed.n_images * each / n_workers
    searched = StageCost("estimate", 2 * start + work, memory, 2 * table, f"{each:.2g} core-s an image, measured")
    made.clear()
    refinement = RefineSettings()
    local = make_refinement_aligner(
        reference.model, reference.modes, timed.source, initial=timed.estimates, refinement=refinement, **parts
    )
    each_local = timed.clock(lambda: align_images(local, timed.source, ids)) / len(ids)
    refined = timed.n_images * each_local / n_workers + start
    basis = f"{each_local:.2g} core-s an image, measured, none sent to the search"
    return [searched, StageCost("refine", refined, memory, 2 * table, basis)]


def _time_network(timed: Forecaster, *, table: float) -> list[StageCost]:
    usual, reference = TrainSettings(), timed.reference
    short = replace(usual, n_images=SHOWN * usual.batch_size, n_validations=1, max_validation_images=2)
    ticks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = train_network(
            reference.model,
            reference.modes,
            source=timed.source,
            output=Path(folder),
            settings=short,
            formation=timed.formation,
            device=timed.device,
            progress=lambda done, total: ticks.append(time.perf_counter()),
        )
        size = float(path.stat().st_size)
        again = timed.source.select(torch.arange(len(timed.source)).repeat(8))
        each = timed.clock(lambda: predict_estimates(again, path, device=timed.device)) / len(again)
    step = (ticks[-2] - ticks[0]) / max(1, len(ticks) - 2) if len(ticks) > 2 else 0.0
    n_workers = choose_workers(timed.workers, timed.device, n_blocks=-(-timed.n_images // 1024))
    trained = usual.n_images / usual.batch_size * step
    basis = f"{usual.n_images:,} images shown, measured"
    return [
        StageCost("train", trained, None, size, basis),
        StageCost("predict", timed.n_images * each / n_workers, None, 6 * table, "measured"),
    ]


def _time_reconstruction(timed: Forecaster) -> StageCost:
    """Time the insertion of images, cropped where the grid would be large, and scale by their components."""
    settings, source, box = ReconstructSettings(), timed.source, timed.source.box_size
    small = min(box, 64)
    part = HeldImages(
        source[torch.arange(len(source))][:, :small, :small].contiguous(),
        names=source.names,
        optics=source.optics,
        pixel_size=source.pixel_size,
    )
    poses, ids = timed.estimates.poses, torch.arange(len(source))
    none = timed.clock(lambda: back_project(part, poses.select(ids[:1]), ids=ids[:1], settings=settings))
    each = timed.clock(lambda: back_project(part, poses, ids=ids, settings=settings)) - none
    each = max(each, 1e-4) / max(1, len(ids) - 1) * (box / small) ** 2
    grid = 4.0 * 3 * (settings.padding * box) ** 3 / 2
    workers = max(1, min(timed.workers or count_cores(), GROUPS))
    seconds = timed.n_images * each / workers + GROUPS * grid * 2e-8
    return StageCost(
        "reconstruct", seconds, 3 * grid, GROUPS * 4 * 4.0 * box**3, f"{GROUPS} groups; insertion measured"
    )
